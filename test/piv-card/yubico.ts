// What Yubico's cards answer beyond SP 800-73: version, serial number, metadata of slots and
// references, and attestation certificates. Pure; part of the virtual card.

import type { CardKey } from './card-key.js';
import { StatusError, SW } from './apdu.js';
import { formatCertificate } from './certificate.js';
import { TRIPLE_DES } from './management-key.js';
import type { Reference } from './reference.js';
import { PIN_POLICY, SLOTS, type Slot } from './slot.js';
import { formatTlv } from './tlv.js';

/** Of the firmware: the first with metadata is 5.3. */
export const VERSION = Buffer.from([5, 4, 3]);
const TOUCH_NEVER = 1;
const GENERATED = 1;

export function formatSerial(serial: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(serial);
  return bytes;
}

export function formatReferenceMetadata({ most, left }: Reference): Buffer {
  return Buffer.concat([
    formatTlv(0x01, Buffer.from([0xff])),
    formatTlv(0x05, Buffer.from([0])),
    formatTlv(0x06, Buffer.from([most, left])),
  ]);
}

export function formatManagementMetadata(): Buffer {
  return Buffer.concat([
    formatTlv(0x01, Buffer.from([TRIPLE_DES])),
    formatTlv(0x02, Buffer.from([0, TOUCH_NEVER])),
    formatTlv(0x05, Buffer.from([1])),
  ]);
}

export function formatSlotMetadata({ key, pinPolicy }: Slot): Buffer {
  return Buffer.concat([
    formatTlv(0x01, Buffer.from([key.algorithm])),
    formatTlv(0x02, Buffer.from([PIN_POLICY[pinPolicy], TOUCH_NEVER])),
    formatTlv(0x03, Buffer.from([GENERATED])),
    formatTlv(0x04, key.formatPublic()),
  ]);
}

interface AttestationOptions {
  readonly slot: Slot;
  readonly issuer: string;
  readonly issuerKey: CardKey;
  readonly serial: number;
}

/**
 * The certificate which attests that the card generated the key of a slot. @throws StatusError 6A88
 */
export function formatAttestation({ slot, issuer, issuerKey, serial }: AttestationOptions): Buffer {
  if (slot.reference === SLOTS.f9.reference) {
    throw new StatusError(SW.noReference);
  }
  return formatCertificate({
    subject: `YubiKey PIV Attestation ${slot.reference.toString(16)}`,
    publicKey: slot.key.publicKey,
    issuer,
    issuerKey: issuerKey.privateKey,
    extensions: new Map([
      [3, VERSION],
      [7, formatTlv(0x02, formatSerial(serial))],
      [8, Buffer.from([PIN_POLICY[slot.pinPolicy], TOUCH_NEVER])],
    ]),
  });
}
