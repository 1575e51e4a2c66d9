// How a token is named in messages and questions. Runs in clavigerd and its commands. Pure.

import { printable } from '../../lib/printable.js';
import type { TokenInfo } from '../../token/messages.js';

/** `token "acme" (serial a1b2)`; what a token says of itself is escaped. */
export function nameOfToken({ label, serial }: Pick<TokenInfo, 'label' | 'serial'>): string {
  return `token ${printable(JSON.stringify(label))} (serial ${printable(serial)})`;
}
