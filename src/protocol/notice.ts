// Formats notices: what the daemon sends to a client that waits, before it replies. Pure;
// clavigerd. Only clients that have sent `!errors` get them. A notice is not a reply and needs no
// reaction.

import { formatAsciiJson } from '../lib/json/ascii-json.js';
import { NOTICE_PREFIX } from './limits.js';

export const NOTICE_CODES = [
  'waiting', // the token takes long: a person may have to touch it
] as const;

export interface Notice {
  readonly code: (typeof NOTICE_CODES)[number];
  /** A sentence for people, without anything secret. */
  readonly detail: string;
}

export function formatNotice({ code, detail }: Notice): string {
  return `${NOTICE_PREFIX}${formatAsciiJson({ code, detail })}`;
}
