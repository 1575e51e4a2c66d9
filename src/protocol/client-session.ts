// One conversation with a signer, seen from the client. Pure: bytes in, events out, no clock, no socket.
// The signer may be clavigerd or lacme-accountd. What it sends is checked before it is believed; it
// cannot make the client take private key material.

import { isAlgorithm, type Algorithm } from '../jose/algorithms.js';
import {
  algorithmOfJwk,
  jwkThumbprint,
  parsePublicJwk,
  type PublicJwk,
} from '../jose/public-jwk.js';
import { isBase64Url } from '../lib/base64url.js';
import { AppError, messageOf } from '../lib/errors.js';
import { LineSplitter } from '../lib/line-splitter.js';
import { printable } from '../lib/printable.js';
import {
  isJsonObject,
  jsonMember,
  parseStrictJson,
  type JsonObject,
  type JsonValue,
} from '../lib/strict-json.js';
import {
  ERROR_PREFIX,
  ERRORS_LINE,
  MAX_LINE_BYTES,
  NOTICE_PREFIX,
  PROTOCOL_VERSION,
} from './limits.js';

export interface SignerGreeting {
  readonly algorithm: Algorithm;
  /** Undefined in key-ID-only mode. */
  readonly jwk: PublicJwk | undefined;
  /** RFC 7638, 43 characters. */
  readonly thumbprint: string;
  /** The account URL, when the signer tells it. */
  readonly keyId: string | undefined;
  readonly extensions: ReadonlySet<string>;
}

export type ClientSessionEvent =
  /** `write` is to be sent before the first request; it may be empty. */
  | { readonly kind: 'greeting'; readonly greeting: SignerGreeting; readonly write: string }
  | { readonly kind: 'signature'; readonly signature: string }
  | { readonly kind: 'refusal'; readonly error: AppError }
  /** No reply: something people may want to know while they wait. */
  | { readonly kind: 'notice'; readonly detail: string };

const THUMBPRINT_LENGTH = 43;
/** A signer that tells more than this in one conversation is no signer. */
const MAX_NOTICES = 1000;
const MAX_KEY_ID_LENGTH = 2048;

export class ClientSession {
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  #state: 'greeting' | 'jwk' | 'ready' = 'greeting';
  #extra: JsonObject | undefined;
  #hasErrors = false;
  #unanswered = 0;
  #notices = 0;

  /**
   * Takes bytes from the signer.
   * @throws AppError PROTO_GREETING or PROTO_REPLY; the connection must then be closed
   */
  receive(chunk: Uint8Array): readonly ClientSessionEvent[] {
    const { lines, error } = this.#splitter.push(chunk);
    const events: ClientSessionEvent[] = [];
    for (const line of lines) {
      const event = this.#takeLine(line);
      if (event !== undefined) {
        events.push(event);
      }
    }
    if (error !== undefined) {
      throw this.#broken(error);
    }
    return events;
  }

  /** The line of a request, `protected.payload`, counted as waiting for its reply. */
  formatRequest(protectedPart: string, payloadPart: string): string {
    this.#unanswered += 1;
    return `${protectedPart}.${payloadPart}\r\n`;
  }

  /** What it means that the signer closed the connection now. */
  explainEnd(): AppError {
    if (this.#state !== 'ready') {
      return new AppError('PROTO_GREETING', 'signer: closed the connection without a greeting');
    }
    return this.#hasErrors
      ? new AppError('PROTO_CLOSED', 'signer: closed the connection')
      : new AppError(
          'PROTO_CLOSED',
          'signer: closed the connection: the request was refused or the signer stopped',
          { hint: 'the log of the signer says why' },
        );
  }

  #broken(problem: string): AppError {
    return this.#state === 'ready'
      ? new AppError('PROTO_REPLY', `signer: ${problem} in its reply`)
      : new AppError('PROTO_GREETING', `signer: ${problem} in its greeting`, {
          hint: 'is it clavigerd or lacme-accountd that answers there?',
        });
  }

  #takeLine(line: Buffer): ClientSessionEvent | undefined {
    switch (this.#state) {
      case 'greeting':
        this.#extra = parseFirstLine(line.toString('utf8'));
        this.#state = 'jwk';
        return undefined;
      case 'jwk': {
        const greeting = readGreeting(this.#extra, parseJwkLine(line));
        this.#state = 'ready';
        this.#hasErrors = greeting.extensions.has('errors');
        return { kind: 'greeting', greeting, write: this.#hasErrors ? `${ERRORS_LINE}\r\n` : '' };
      }
      case 'ready':
        return this.#takeReply(line.toString('utf8'));
    }
  }

  #takeReply(line: string): ClientSessionEvent {
    if (this.#hasErrors && line.startsWith(NOTICE_PREFIX) && this.#notices < MAX_NOTICES) {
      this.#notices += 1;
      return { kind: 'notice', detail: parseNotice(line.slice(NOTICE_PREFIX.length)) };
    }
    if (this.#unanswered === 0) {
      throw new AppError('PROTO_REPLY', 'signer: sent a line nobody asked for');
    }
    this.#unanswered -= 1;
    if (this.#hasErrors && line.startsWith(ERROR_PREFIX)) {
      return { kind: 'refusal', error: parseRefusal(line.slice(ERROR_PREFIX.length)) };
    }
    if (line === '' || !isBase64Url(line)) {
      throw new AppError('PROTO_REPLY', 'signer: its reply is not a base64url signature');
    }
    return { kind: 'signature', signature: line };
  }
}

function parseFirstLine(line: string): JsonObject | undefined {
  const match = /^(\d{1,9}) OK(?: (.*))?$/su.exec(line);
  if (match === null) {
    throw new AppError('PROTO_GREETING', 'signer: its greeting is not of the signing protocol', {
      hint: 'is it clavigerd or lacme-accountd that answers there?',
    });
  }
  if (Number(match[1]) !== PROTOCOL_VERSION) {
    throw new AppError(
      'PROTO_GREETING',
      `signer: speaks protocol version ${match[1] ?? ''}, and claviger speaks ${PROTOCOL_VERSION}`,
    );
  }
  // As lacme does: what cannot be decoded here is as if it were not there.
  const extra = tryParseJson(Buffer.from(match[2] ?? '', 'utf8'));
  return isJsonObject(extra) ? extra : undefined;
}

function tryParseJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseStrictJson(bytes);
  } catch {
    return undefined;
  }
}

/** The second line: a public JWK, or `{}` in key-ID-only mode. */
function parseJwkLine(line: Buffer): PublicJwk | undefined {
  const value = tryParseJson(line);
  if (!isJsonObject(value)) {
    throw new AppError('PROTO_GREETING', 'signer: the second line of its greeting is no JWK');
  }
  if (Object.keys(value).length === 0) {
    return undefined;
  }
  try {
    return parsePublicJwk(value);
  } catch (error) {
    throw new AppError('PROTO_GREETING', `signer: ${printable(messageOf(error), 200)}`, {
      cause: error,
    });
  }
}

function readGreeting(extra: JsonObject | undefined, jwk: PublicJwk | undefined): SignerGreeting {
  const keyId = readKeyId(extra);
  if (jwk === undefined && keyId === undefined) {
    throw new AppError('PROTO_GREETING', 'signer: tells neither its public key nor a key ID');
  }
  return {
    algorithm: readAlgorithm(extra, jwk),
    jwk,
    thumbprint: readThumbprint(extra, jwk),
    keyId,
    extensions: readExtensions(extra),
  };
}

function extraText(extra: JsonObject | undefined, name: string): string | undefined {
  const value = extra === undefined ? undefined : jsonMember(extra, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function readKeyId(extra: JsonObject | undefined): string | undefined {
  const keyId = extraText(extra, 'kid');
  if (keyId !== undefined && (keyId.length > MAX_KEY_ID_LENGTH || !/^[!-~]+$/.test(keyId))) {
    throw new AppError('PROTO_GREETING', 'signer: its key ID is not a URL');
  }
  return keyId;
}

function readAlgorithm(extra: JsonObject | undefined, jwk: PublicJwk | undefined): Algorithm {
  const ofKey = jwk === undefined ? undefined : algorithmOfJwk(jwk);
  // Before it had "alg", lacme-accountd signed with RS256, always.
  const told = extraText(extra, 'alg') ?? ofKey ?? 'RS256';
  if (!isAlgorithm(told)) {
    throw new AppError(
      'PROTO_GREETING',
      `signer: its algorithm ${JSON.stringify(printable(told, 50))} is not supported`,
    );
  }
  if (ofKey !== undefined && ofKey !== told) {
    throw new AppError('PROTO_GREETING', `signer: its key cannot be used with ${told}`);
  }
  return told;
}

function readThumbprint(extra: JsonObject | undefined, jwk: PublicJwk | undefined): string {
  const told = extraText(extra, 'jwk-thumbprint');
  const computed = jwk === undefined ? undefined : jwkThumbprint(jwk);
  const thumbprint = computed ?? told;
  if (thumbprint === undefined) {
    throw new AppError('PROTO_GREETING', 'signer: tells neither its public key nor its thumbprint');
  }
  const isOne = thumbprint.length === THUMBPRINT_LENGTH && isBase64Url(thumbprint);
  if (!isOne || (told !== undefined && told !== thumbprint)) {
    throw new AppError('PROTO_GREETING', 'signer: its thumbprint is not that of its key');
  }
  return thumbprint;
}

function readExtensions(extra: JsonObject | undefined): ReadonlySet<string> {
  const list = extra === undefined ? undefined : jsonMember(extra, 'extensions');
  const names = Array.isArray(list) ? list : [];
  return new Set(names.filter((name) => typeof name === 'string'));
}

function parseNotice(json: string): string {
  const value = tryParseJson(Buffer.from(json, 'utf8'));
  const detail = isJsonObject(value) ? extraText(value, 'detail') : undefined;
  return printable(detail ?? 'it takes longer', 300);
}

function parseRefusal(json: string): AppError {
  const value = tryParseJson(Buffer.from(json, 'utf8'));
  const object = isJsonObject(value) ? value : undefined;
  const code = extraText(object, 'code') ?? 'unknown';
  const detail = extraText(object, 'detail') ?? 'no reason given';
  return new AppError(
    'PROTO_REFUSED',
    `signer: refused to sign (${printable(code, 50)}): ${printable(detail, 300)}`,
    { hint: hintFor(code) },
  );
}

function hintFor(code: string): string {
  switch (code) {
    case 'denied':
      return 'what the account key signs is decided where clavigerd runs; its log names the rule';
    case 'busy':
      return 'try again in a moment';
    case 'token-absent':
      return 'put the token back, where clavigerd runs; it needs no restart';
    case 'token-locked':
      return 'the token does not take the PIN; see the log of clavigerd before trying again';
    case 'timeout':
      return 'the token did not answer in time: does it wait for a touch or a PIN?';
    default:
      return 'the log of clavigerd says more';
  }
}
