// PINs for tokens that take no more than eight characters.

import { randomInt } from 'node:crypto';

/** Eight letters that no hash in hexadecimal holds, so that a leak is not found by chance. */
export function randomPin(): string {
  return Array.from({ length: 8 }, () => 'ghkmnpqrstuvwxyz'.charAt(randomInt(16))).join('');
}
