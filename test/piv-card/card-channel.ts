// Takes command bytes and returns response bytes: joins chained commands (CLA bit 10), returns long
// responses in parts (GET RESPONSE), and turns errors into status words. Part of the virtual card.

import { formatResponse, isExtendedApdu, parseApdu, StatusError, SW, type Apdu } from './apdu.js';
import type { VirtualCard } from './virtual-card.js';

const SHORT_RESPONSE_BYTES = 256;
const CHAINING = 0x10;
const GET_RESPONSE = 0xc0;

export class CardChannel {
  readonly #card: VirtualCard;
  #chain: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(card: VirtualCard) {
    this.#card = card;
  }

  /** Answers one APDU. Never rejects. */
  async transmit(bytes: Buffer): Promise<Buffer> {
    try {
      const apdu = parseApdu(bytes);
      if (apdu.ins === GET_RESPONSE) {
        return this.#nextPart(SHORT_RESPONSE_BYTES);
      }
      if ((apdu.cla & CHAINING) !== 0) {
        this.#chain.push(Buffer.from(apdu.data));
        return formatResponse(Buffer.alloc(0), SW.ok);
      }
      this.#rest = await this.#card.handle(this.#complete(apdu));
      return this.#nextPart(isExtendedApdu(bytes) ? this.#rest.length : SHORT_RESPONSE_BYTES);
    } catch (error) {
      const status = error instanceof StatusError ? error.status : SW.wrongData;
      return formatResponse(Buffer.alloc(0), status);
    }
  }

  #complete(apdu: Apdu): Apdu {
    const data = Buffer.concat([...this.#chain.splice(0), apdu.data]);
    return { ...apdu, data };
  }

  #nextPart(bytes: number): Buffer {
    const part = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    const left = this.#rest.length;
    // 6100: at least as much again as a short answer holds.
    const more = left >= SHORT_RESPONSE_BYTES ? SW.moreData : SW.moreData | left;
    return formatResponse(part, left === 0 ? SW.ok : more);
  }
}
