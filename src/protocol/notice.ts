// What the daemon tells a client that waits, without answering it yet. Pure; runs in the daemon.
// Sent only to clients that asked for `!errors`; a notice is no reply, and changes nothing.

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
