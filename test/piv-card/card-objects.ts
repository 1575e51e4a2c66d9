// The data objects of the virtual card (SP 800-73-4 part 1 §3): its identification and its
// certificates. Part of the virtual card.

import { createHash } from 'node:crypto';
import { formatTlv } from './tlv.js';

const PIV_APPLICATION = Buffer.from('a000000308000010000100', 'hex');
/** What a client may shorten the name to when it selects. */
export const PIV_APPLICATION_PREFIX = Buffer.from('a000000308', 'hex');

const CHUID_OBJECT = '5fc102';
const CCC_OBJECT = '5fc107';
/** An organisation that is none (agency code 9999), as Yubico's cards have it. */
const FASC_N = Buffer.from('d4e739da739ced39ce739d836858210842108421c84210c3eb', 'hex');

/** What SELECT answers. */
export function formatApplicationTemplate(): Buffer {
  return formatTlv(
    0x61,
    formatTlv(0x4f, PIV_APPLICATION.subarray(5)),
    formatTlv(0x79, formatTlv(0x4f, PIV_APPLICATION_PREFIX)),
  );
}

/** The discovery object: this application, PIN only. It is not within tag 53. */
export function formatDiscovery(): Buffer {
  const policy = formatTlv(0x5f2f, Buffer.from([0x40, 0x00]));
  return formatTlv(0x7e, formatTlv(0x4f, PIV_APPLICATION), policy);
}

/** A certificate as its object holds it: not compressed. */
export function formatCertificateObject(certificate: Buffer): Buffer {
  return Buffer.concat([
    formatTlv(0x70, certificate),
    formatTlv(0x71, Buffer.from([0])),
    formatTlv(0xfe),
  ]);
}

/** The objects of a card with this serial number that has no keys yet. */
export function firstObjects(serial: number): Map<string, Buffer> {
  const guid = createHash('sha256').update(`card ${serial}`).digest().subarray(0, 16);
  const chuid = Buffer.concat([
    formatTlv(0x30, FASC_N),
    formatTlv(0x34, guid),
    formatTlv(0x35, Buffer.from('20991231')),
    formatTlv(0x3e),
    formatTlv(0xfe),
  ]);
  const capabilities = Buffer.concat([
    formatTlv(0xf0, Buffer.from('a000000116ff02', 'hex'), guid.subarray(0, 14)),
    formatTlv(0xf1, Buffer.from([0x21])),
    formatTlv(0xf2, Buffer.from([0x21])),
    formatTlv(0xf3),
    formatTlv(0xf4, Buffer.from([0])),
    formatTlv(0xf5, Buffer.from([0x10])),
    ...[0xf6, 0xf7, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe].map((tag) => formatTlv(tag)),
  ]);
  return new Map([
    [CHUID_OBJECT, chuid],
    [CCC_OBJECT, capabilities],
  ]);
}
