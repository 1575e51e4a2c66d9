// One key slot of the virtual card: its key, when that requires the PIN, and the data object of its
// certificate. Part of the virtual card.

import type { CardKey } from './card-key.js';

/** Yubico's numbers of policies, as in the response to GET METADATA. */
export const PIN_POLICY = { never: 1, once: 2, always: 3 } as const;
export type PinPolicy = keyof typeof PIN_POLICY;

interface SlotFacts {
  /** P2 of GENERAL AUTHENTICATE. */
  readonly reference: number;
  /** The data object that holds the certificate. */
  readonly certificateObject: string;
  readonly pinPolicy: PinPolicy;
}

/** SP 800-73-4 part 1 table 3, and Yubico's slot of the attestation key. */
export const SLOTS = {
  '9a': { reference: 0x9a, certificateObject: '5fc105', pinPolicy: 'once' },
  '9c': { reference: 0x9c, certificateObject: '5fc10a', pinPolicy: 'always' },
  '9d': { reference: 0x9d, certificateObject: '5fc10b', pinPolicy: 'once' },
  '9e': { reference: 0x9e, certificateObject: '5fc101', pinPolicy: 'never' },
  f9: { reference: 0xf9, certificateObject: '5fff01', pinPolicy: 'never' },
} as const satisfies Readonly<Record<string, SlotFacts>>;

/** The slots that an account key may be in. */
export const KEY_SLOTS = ['9a', '9c', '9d', '9e'] as const;
export type KeySlotName = (typeof KEY_SLOTS)[number];

export interface Slot extends SlotFacts {
  readonly key: CardKey;
}
