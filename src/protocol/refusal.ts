// Why the daemon did not sign, as the peer may know it. Pure; runs in the daemon.
// Clients show words they do not know as well, so they do not have this list.
// A closed list of words: the peer gets one of them and a sentence, the daemon's log gets the rest.

import { ERROR_PREFIX } from './limits.js';

export const REFUSAL_CODES = [
  'denied', // understood, and not allowed
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
}

export function formatRefusal(refusal: Refusal): string {
  return `${ERROR_PREFIX}${JSON.stringify({ code: refusal.code, detail: refusal.detail })}`;
}
