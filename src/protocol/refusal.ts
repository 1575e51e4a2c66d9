// Formats refusals: why the daemon did not sign. Pure; clavigerd. The client gets one code of a
// closed list and a sentence, the daemon's log gets the details. Clients print codes that they do
// not know, so the list can grow.

import { formatAsciiJson } from '../lib/json/ascii-json.js';
import { ERROR_PREFIX } from './limits.js';

export const REFUSAL_CODES = [
  'denied', // understood, and not allowed
  'rate-limited', // allowed, but a budget is used up
  'malformed', // not a request
  'busy', // too many requests are waiting
  'token-absent', // the token is not there
  'token-locked', // the token does not take the PIN
  'timeout', // the token did not answer in time
  'internal', // the daemon's own trouble; its log says which
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

export interface Refusal {
  readonly code: RefusalCode;
  /** A sentence for people, without anything secret. */
  readonly detail: string;
  /** The named policy that refuses, where it is one: `detail` then begins with it. */
  readonly policy?: string | undefined;
  /** Which rule refuses, and what: of `denied` and `rate-limited`. */
  readonly rule?: string | undefined;
  readonly operation?: string | undefined;
}

/** One line of ASCII: `detail` may hold names as the client wrote them. */
export function formatRefusal({ code, detail, policy, rule, operation }: Refusal): string {
  return `${ERROR_PREFIX}${formatAsciiJson({ code, detail, policy, rule, operation })}`;
}
