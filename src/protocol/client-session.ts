// One conversation with a signer, seen from the client. Pure: bytes in, events out, no clock, no
// socket. The signer may be clavigerd or lacme-accountd. What it sends is checked before it is
// believed; it cannot make the client take private key material.

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
  /** No reply: something people may want to know while they wait. */
  | { readonly kind: 'notice'; readonly detail: string };

/** A signer that tells more than this in one conversation is no signer. */
const MAX_NOTICES = 1000;
/** A line of a terminal, and what a version line of ours needs. */
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
  /** What came first, to be quoted should it be no greeting. */
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

  /** What it means that the signer closed the connection now. */
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
  const told = rule === undefined ? hint : `${hint}; the rule is ${printable(rule, 100)}`;
  return new AppError('PROTO_REFUSED', message, { hint: told });
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
