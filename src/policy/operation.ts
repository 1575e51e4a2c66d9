// What a signed ACME request does: the closed list of operations. Pure.

import type { JsonObject } from '../lib/strict-json.js';

export const OPERATIONS = [
  'read', // POST-as-GET, RFC 8555 §6.3
  'find-account', // §7.3.1
  'new-account', // §7.3
  'update-account', // §7.3.2
  'deactivate-account', // §7.3.6
  'key-change', // §7.3.5, outer object
  'key-change-inner', // §7.3.5, inner object, signed by the new key
  'new-order', // §7.4
  'new-authorization', // §7.4.1
  'answer-challenge', // §7.5.1
  'deactivate-authorization', // §7.5.2
  'finalize', // §7.4
  'revoke-certificate', // §7.6
  'cancel-order', // RFC 8739 §3.1.2
] as const;

export type Operation = (typeof OPERATIONS)[number];

export interface Identifier {
  readonly type: string;
  readonly value: string;
}

/** A request understood as exactly one operation. */
export interface ClassifiedRequest {
  readonly operation: Operation;
  /** The names a new-order or new-authorization is for, as sent; empty for other operations. */
  readonly identifiers: readonly Identifier[];
  readonly payload: JsonObject | undefined;
}
