// The login state of the virtual card: PIN, PUK, and the login that a private key requires. Part of
// the virtual card.

import { StatusError, SW, type Apdu } from './apdu.js';
import { Reference } from './reference.js';
import type { PinPolicy } from './slot.js';

/** P2 of VERIFY and its kin. */
export const PIN_REFERENCE = 0x80;
export const PUK_REFERENCE = 0x81;

const REFERENCE_BYTES = 8;
const LOG_OUT = 0xff;
const EMPTY = Buffer.alloc(0);

export class CardLogin {
  readonly pin: Reference;
  readonly puk: Reference;
  /** The PIN was verified since the reset, and since the last use of a private key. */
  #isVerified = false;
  #isFresh = false;

  constructor(pin: string, puk: string) {
    this.pin = new Reference(pin);
    this.puk = new Reference(puk);
  }

  end(): void {
    this.#setVerified(false);
  }

  /** Before a private key is used. @throws StatusError 6982 when it requires the PIN first. */
  useKey(policy: PinPolicy): void {
    const allowed = policy === 'never' || (policy === 'once' ? this.#isVerified : this.#isFresh);
    if (!allowed) {
      throw new StatusError(SW.securityStatus);
    }
    this.#isFresh = false;
  }

  /** VERIFY; without a value it asks only, and costs nothing. */
  verify({ p1, p2, data }: Apdu): Buffer {
    if (p2 !== PIN_REFERENCE) {
      throw new StatusError(SW.noReference);
    }
    if (p1 === LOG_OUT) {
      this.#setVerified(false);
    } else if (data.length > 0) {
      this.#setVerified(false);
      this.pin.verify(data);
      this.#setVerified(true);
    } else if (!this.#isVerified) {
      throw new StatusError(this.pin.status());
    }
    return EMPTY;
  }

  /** CHANGE REFERENCE DATA: old value, new value. */
  change({ p2, data }: Apdu): Buffer {
    const reference = p2 === PIN_REFERENCE ? this.pin : p2 === PUK_REFERENCE ? this.puk : undefined;
    if (reference === undefined) {
      throw new StatusError(SW.noReference);
    }
    reference.verify(data.subarray(0, REFERENCE_BYTES));
    reference.replace(data.subarray(REFERENCE_BYTES));
    return EMPTY;
  }

  /** RESET RETRY COUNTER: PUK, new PIN. */
  unblock({ p2, data }: Apdu): Buffer {
    if (p2 !== PIN_REFERENCE) {
      throw new StatusError(SW.noReference);
    }
    this.puk.verify(data.subarray(0, REFERENCE_BYTES));
    this.pin.replace(data.subarray(REFERENCE_BYTES));
    this.#setVerified(false);
    return EMPTY;
  }

  #setVerified(verified: boolean): void {
    this.#isVerified = verified;
    this.#isFresh = verified;
  }
}
