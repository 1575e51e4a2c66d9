// The card administrator's login with the management key (GENERAL AUTHENTICATE with key 9B), by a
// challenge in one direction or both (SP 800-73-4 part 2, appendix A). Part of the virtual card.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { StatusError, SW } from './apdu.js';
import { formatTlv, valueOf, type Tlv } from './tlv.js';

/** Yubico's factory value of the management key: it guards nothing here. */
const FACTORY_KEY = Buffer.from('010203040506070801020304050607080102030405060708', 'hex');
const BLOCK_BYTES = 8;
export const TRIPLE_DES = 0x03;

const WITNESS = 0x80;
const CHALLENGE = 0x81;
const RESPONSE = 0x82;

export class ManagementKey {
  #key: Buffer = FACTORY_KEY;
  #witness: Buffer | undefined;
  #challenge: Buffer | undefined;
  isAuthenticated = false;

  /** Ends the login, as a reset of the card does. */
  reset(): void {
    this.isAuthenticated = false;
    this.#witness = undefined;
    this.#challenge = undefined;
  }

  replace(key: Buffer): void {
    if (key.length !== FACTORY_KEY.length) {
      throw new StatusError(SW.wrongData);
    }
    this.#key = Buffer.from(key);
  }

  /** One step of either dialogue; gives what goes within tag 7C. @throws StatusError */
  authenticate(template: readonly Tlv[]): Buffer {
    const witness = valueOf(template, WITNESS);
    const challenge = valueOf(template, CHALLENGE);
    const response = valueOf(template, RESPONSE);
    if (witness?.length === 0) {
      this.#witness = randomBytes(BLOCK_BYTES);
      return formatTlv(WITNESS, this.#encrypt(this.#witness));
    }
    if (witness !== undefined && challenge !== undefined) {
      this.#accept(this.#witness, witness);
      return formatTlv(RESPONSE, this.#encrypt(challenge));
    }
    if (challenge?.length === 0) {
      this.#challenge = randomBytes(BLOCK_BYTES);
      return formatTlv(CHALLENGE, this.#challenge);
    }
    if (response !== undefined) {
      this.#accept(this.#challenge, this.#decrypt(response));
      return Buffer.alloc(0);
    }
    throw new StatusError(SW.wrongData);
  }

  #accept(expected: Buffer | undefined, given: Buffer): void {
    this.reset();
    if (expected?.equals(given) !== true) {
      throw new StatusError(SW.securityStatus);
    }
    this.isAuthenticated = true;
  }

  #encrypt(block: Buffer): Buffer {
    const cipher = createCipheriv('des-ede3-ecb', this.#key, null).setAutoPadding(false);
    return Buffer.concat([cipher.update(block), cipher.final()]);
  }

  #decrypt(block: Buffer): Buffer {
    if (block.length !== BLOCK_BYTES) {
      throw new StatusError(SW.wrongData);
    }
    const decipher = createDecipheriv('des-ede3-ecb', this.#key, null).setAutoPadding(false);
    return Buffer.concat([decipher.update(block), decipher.final()]);
  }
}
