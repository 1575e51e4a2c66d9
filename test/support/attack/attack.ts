// What an attack on the daemon is: bytes on its socket, and what has to come of them in each
// set-up. Used by test processes only. The tables of attacks are in attack-*.ts beside this file.

import type { JsonObject } from '../../../src/lib/json/json-value.js';
import type { Operation } from '../../../src/policy/operation.js';

export const ORIGIN = 'https://ca.example';
export const KID = `${ORIGIN}/acct/1`;
export const NEW_ORDER = `${ORIGIN}/new-order`;
/** The one name that the policy allows. */
export const NAME = 'www.example.org';

export type Expected =
  /** Legitimate in this set-up: the row says why. */
  | { readonly verdict: 'signed'; readonly operation: Operation }
  | {
      readonly verdict: 'denied';
      readonly rule: string;
      /**
       * Undefined for what is none of the known operations, and where the header was enough to
       * refuse it.
       */
      readonly operation: Operation | undefined;
      /** The payload was looked at; else the record says that it was not. */
      readonly isRead: boolean;
      readonly reason: RegExp;
    }
  /** @prop isNoLine closes the connection, for nothing behind it could be told apart. */
  | { readonly verdict: 'malformed'; readonly reason: RegExp; readonly isNoLine?: boolean };

export interface Outcomes {
  /** In key-ID-only mode, without a policy. */
  readonly byKeyId: Expected;
  /** Under the policy `issue`, without a key ID. */
  readonly byPolicy: Expected;
}

export interface Attack extends Outcomes {
  readonly name: string;
  readonly bytes: Buffer;
}

/** JSON to be, text or bytes that are taken as they are, nothing. */
type Part = JsonObject | string | Buffer | undefined;

/** BASE64URL(header) "." BASE64URL(payload) */
export function line(header: Part, payload: Part): string {
  return `${encode(header)}.${encode(payload)}`;
}

export function encode(part: Part): string {
  const isRaw = part === undefined || typeof part === 'string' || Buffer.isBuffer(part);
  return Buffer.from(isRaw ? (part ?? '') : JSON.stringify(part)).toString('base64url');
}

/** The header of a good request, changed. */
export function header(changes: JsonObject = {}): JsonObject {
  return { alg: 'ES256', kid: KID, nonce: 'bm9uY2U', url: NEW_ORDER, ...changes };
}

/** The header of a good request without one of its members. */
export function headerWithout(name: string): JsonObject {
  return Object.fromEntries(Object.entries(header()).filter(([each]) => each !== name));
}

export function order(...names: readonly string[]): JsonObject {
  return { identifiers: names.map((value) => ({ type: 'dns', value })) };
}

export const GOOD_LINE = line(header(), order(NAME));
export const DEACTIVATE = { status: 'deactivated' } as const;

/** A row of a table. A text is a line and gets its CR LF; bytes are sent as they are. */
export function attack(name: string, sent: string | Buffer, outcomes: Outcomes): Attack {
  const bytes = typeof sent === 'string' ? Buffer.from(`${sent}\r\n`) : sent;
  return { name, bytes, ...outcomes };
}

export function signed(operation: Operation): Expected {
  return { verdict: 'signed', operation };
}

export function denied(rule: string, operation: Operation | undefined, reason = /./): Expected {
  return { verdict: 'denied', rule, operation, isRead: true, reason };
}

/**
 * The header is judged first, as the cheapest: nobody looks at the payload then, nor says what it
 * asked for.
 */
export function byHeader(rule: 'algorithm' | 'own-key' | 'url', reason = /./): Expected {
  return { verdict: 'denied', rule, operation: undefined, isRead: false, reason };
}

export function both(expected: Expected): Outcomes {
  return { byKeyId: expected, byPolicy: expected };
}

export function malformed(reason: RegExp): Outcomes {
  return both({ verdict: 'malformed', reason });
}

export function noLine(reason: RegExp): Outcomes {
  return both({ verdict: 'malformed', reason, isNoLine: true });
}

/** No ACME request, whatever it looks like. */
export const UNKNOWN = both(denied('known-operation', undefined, /none of the known/));

/** Understood, and nothing that somebody who only issues may do. */
export function forbidden(operation: Operation): Outcomes {
  const isDenied = operation === 'deactivate-account' || operation === 'key-change';
  return {
    byKeyId: denied('key-id-only', operation),
    byPolicy: denied(
      isDenied ? 'issue.deny.operations' : 'issue.operations',
      operation,
      new RegExp(`^policy 'issue' does not allow ${operation}$`),
    ),
  };
}

/**
 * Refused by the policy. In key-ID-only mode it is signed: there, nobody said what may be asked
 * for.
 */
export function forPolicy(setting: string, operation: Operation, reason = /./): Outcomes {
  return {
    byKeyId: signed(operation),
    byPolicy: denied(`issue.${setting}`, operation, reason),
  };
}

/** What a set-up with both has to do: the mode is asked first. */
export function withBoth({ byKeyId, byPolicy }: Outcomes): Expected {
  return byKeyId.verdict === 'signed' ? byPolicy : byKeyId;
}
