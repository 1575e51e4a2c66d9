// PIN and PUK of the virtual card: the value and the number of tries left. Part of the virtual
// card. The card counts the values it was sent: tests read that count and not what the software
// under test reports.

import { timingSafeEqual } from 'node:crypto';
import { StatusError, SW } from './apdu.js';

const REFERENCE_BYTES = 8;
const PADDING = 0xff;
const DEFAULT_TRIES = 3;

export class Reference {
  #value: Buffer;
  readonly #most: number;
  #left: number;
  /** Attempts with a value, by what became of them. An attempt at a blocked reference is wrong. */
  right = 0;
  wrong = 0;

  constructor(value: string, most = DEFAULT_TRIES) {
    this.#value = pad(Buffer.from(value, 'utf8'));
    this.#most = most;
    this.#left = most;
  }

  get left(): number {
    return this.#left;
  }

  get most(): number {
    return this.#most;
  }

  /** @throws StatusError 63Cx or 6983; each wrong value costs a try. */
  verify(candidate: Buffer): void {
    if (this.#left === 0) {
      this.wrong += 1;
      throw new StatusError(SW.blocked);
    }
    // A value of another length is refused by a card without looking: it costs nothing.
    if (candidate.length !== REFERENCE_BYTES) {
      throw new StatusError(SW.wrongData);
    }
    if (!timingSafeEqual(candidate, this.#value)) {
      this.wrong += 1;
      this.#left -= 1;
      throw new StatusError(this.status());
    }
    this.right += 1;
    this.#left = this.#most;
  }

  /** A new value, with all tries. @throws StatusError 6A80 */
  replace(value: Buffer): void {
    if (value.length !== REFERENCE_BYTES) {
      throw new StatusError(SW.wrongData);
    }
    this.#value = Buffer.from(value);
    this.#left = this.#most;
  }

  /** The status word of VERIFY without a value before a login. */
  status(): number {
    return this.#left === 0 ? SW.blocked : SW.wrongPin | this.#left;
  }
}

/** SP 800-73-4 part 2 §2.4.3: padded with FF to eight bytes. */
function pad(value: Buffer): Buffer {
  if (value.length > REFERENCE_BYTES) {
    throw new RangeError('a PIN of the card has at most 8 bytes');
  }
  return Buffer.concat([value, Buffer.alloc(REFERENCE_BYTES - value.length, PADDING)]);
}
