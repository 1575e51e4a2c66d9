// The operating system's description of an error, without code and call. Pure.

import { messageOf } from './errors.js';

/**
 * `no space left on device` of Node's `ENOSPC: no space left on device, write '/x'`; other messages
 * as they are.
 */
export function systemReason(error: unknown): string {
  const message = messageOf(error);
  return /^E[A-Z0-9]+: ([^,]+)(?:, [a-z]+\b.*)?$/s.exec(message)?.[1] ?? message;
}
