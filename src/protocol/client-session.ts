// The client's side of a conversation with a signer, clavigerd or lacme-accountd. Pure; claviger:
// bytes in, events out, without clock and socket. What the signer sends is checked before it is
// used; the client never accepts private key material.

import { isBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { LineSplitter } from '../lib/line-splitter.js';
import { printable } from '../lib/printable.js';
import { isJsonObject, type JsonObject } from '../lib/json/json-value.js';
import { textMember, tryParseJson } from './json-line.js';
import {
  ERROR_PREFIX,
  ERRORS_LINE,
  MAX_LINE_BYTES,
  NOTICE_PREFIX,
  PING_LINE,
  PONG_LINE,
} from './limits.js';
import {
  noGreeting,
  parseFirstLine,
  parseJwkLine,
  readGreeting,
  type SignerGreeting,
} from './signer-greeting.js';

export type ClientSessionEvent =
  /** `write` is to be sent before the first request; it may be empty. */
  | { readonly kind: 'greeting'; readonly greeting: SignerGreeting; readonly write: string }
  | { readonly kind: 'signature'; readonly signature: string }
  | { readonly kind: 'refusal'; readonly error: AppError }
  | { readonly kind: 'pong' }
  /** Not a reply: a message for people who wait. */
  | { readonly kind: 'notice'; readonly detail: string };

/** Notices that are accepted in one conversation. */
const MAX_NOTICES = 1000;
/** What is quoted of a greeting that is none: a line of a terminal and more. */
const MAX_BEGINNING_BYTES = 200;

export class ClientSession {
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  #state: 'greeting' | 'jwk' | 'ready' = 'greeting';
  #extra: JsonObject | undefined;
  #hasErrors = false;
  #hasPing = false;
  /** What the next replies are for, oldest first. */
  readonly #expected: ('signature' | 'pong')[] = [];
  #notices = 0;
  /** The first bytes, to be quoted if they are not a greeting. */
  #beginning: Buffer = Buffer.alloc(0);

  /**
   * Takes bytes from the signer.
   * @throws AppError PROTO_GREETING or PROTO_REPLY; the connection must then be closed
   */
  receive(chunk: Uint8Array): readonly ClientSessionEvent[] {
    this.#keepBeginning(chunk);
    this.#splitter.push(chunk);
    const events: ClientSessionEvent[] = [];
    for (let cut = this.#splitter.next(); cut !== undefined; cut = this.#splitter.next()) {
      if (cut.error !== undefined) {
        throw this.#broken(cut.error);
      }
      const event = this.#takeLine(cut.line);
      if (event !== undefined) {
        events.push(event);
      }
    }
    return events;
  }

  /** The line of a request, `protected.payload`, counted as waiting for its reply. */
  formatRequest(protectedPart: string, payloadPart: string): string {
    this.#expected.push('signature');
    return `${protectedPart}.${payloadPart}\r\n`;
  }

  /**
   * The line of a ping, counted as waiting for its reply; undefined when the signer does not offer
   * it.
   */
  formatPing(): string | undefined {
    if (!this.#hasPing) {
      return undefined;
    }
    this.#expected.push('pong');
    return `${PING_LINE}\r\n`;
  }

  /** The error for a connection that the signer has closed at this point. */
  explainEnd(): AppError {
    if (this.#state === 'greeting' && this.#beginning.length > 0) {
      return noGreeting(this.#beginning);
    }
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
    if (this.#state === 'greeting') {
      return noGreeting(this.#beginning);
    }
    const where = this.#state === 'jwk' ? 'greeting' : 'reply';
    const code = this.#state === 'jwk' ? 'PROTO_GREETING' : 'PROTO_REPLY';
    return new AppError(code, `signer: ${problem} in its ${where}`);
  }

  #keepBeginning(chunk: Uint8Array): void {
    if (this.#state === 'greeting' && this.#beginning.length < MAX_BEGINNING_BYTES) {
      this.#beginning = Buffer.concat([this.#beginning, chunk]).subarray(0, MAX_BEGINNING_BYTES);
    }
  }

  #takeLine(line: Buffer): ClientSessionEvent | undefined {
    switch (this.#state) {
      case 'greeting':
        this.#extra = parseFirstLine(line);
        this.#state = 'jwk';
        return undefined;
      case 'jwk': {
        const greeting = readGreeting(this.#extra, parseJwkLine(line));
        this.#state = 'ready';
        this.#hasErrors = greeting.extensions.has('errors');
        this.#hasPing = greeting.extensions.has('ping');
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
    const expected = this.#expected.shift();
    if (expected === undefined) {
      throw new AppError('PROTO_REPLY', 'signer: sent a line nobody asked for');
    }
    if (expected === 'pong') {
      if (line !== PONG_LINE) {
        throw new AppError('PROTO_REPLY', 'signer: its reply to a ping is none');
      }
      return { kind: 'pong' };
    }
    if (this.#hasErrors && line.startsWith(ERROR_PREFIX)) {
      return { kind: 'refusal', error: parseRefusal(line.slice(ERROR_PREFIX.length)) };
    }
    if (line === '' || !isBase64Url(line)) {
      throw new AppError('PROTO_REPLY', 'signer: its reply is not a base64url signature');
    }
    return { kind: 'signature', signature: line };
  }
}

function parseNotice(json: string): string {
  const value = tryParseJson(Buffer.from(json, 'utf8'));
  const detail = isJsonObject(value) ? textMember(value, 'detail') : undefined;
  return printable(detail ?? 'it takes longer', 300);
}

function parseRefusal(json: string): AppError {
  const value = tryParseJson(Buffer.from(json, 'utf8'));
  const object = isJsonObject(value) ? value : undefined;
  const code = textMember(object, 'code') ?? 'unknown';
  const detail = printable(textMember(object, 'detail') ?? 'no reason given', 300);
  const rule = textMember(object, 'rule');
  // Of a policy `detail` says: "policy 'web' does not allow new-order for mail.example.net".
  const message =
    textMember(object, 'policy') === undefined
      ? `signer: refused to sign${operationIn(object)} (${printable(code, 50)}): ${detail}`
      : `the signer's ${detail}`;
  const hint = hintFor(code);
  return new AppError('PROTO_REFUSED', message, {
    hint: rule === undefined ? hint : `${hint}; the rule is ${printable(rule, 100)}`,
  });
}

function operationIn(object: JsonObject | undefined): string {
  const operation = textMember(object, 'operation');
  return operation === undefined ? '' : ` ${printable(operation, 50)}`;
}

function hintFor(code: string): string {
  switch (code) {
    case 'denied':
      return 'what the account key signs is decided where clavigerd runs';
    case 'rate-limited':
      return 'wait, or have the budget raised where clavigerd runs';
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
