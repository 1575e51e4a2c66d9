// Command APDUs (ISO 7816-4 §5.1), short and extended, and the status words the virtual card
// answers. Pure.

export interface Apdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Buffer;
}

export const SW = {
  ok: 0x9000,
  moreData: 0x6100,
  /** With the tries left in its last digit. */
  wrongPin: 0x63c0,
  wrongLength: 0x6700,
  securityStatus: 0x6982,
  blocked: 0x6983,
  conditions: 0x6985,
  wrongData: 0x6a80,
  notFound: 0x6a82,
  wrongParameters: 0x6a86,
  noReference: 0x6a88,
  unknownInstruction: 0x6d00,
} as const;

/** What makes the card answer with a status word and no data. */
export class StatusError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`status ${status.toString(16)}`);
    this.status = status;
  }
}

/** @throws StatusError when lengths do not fit. */
export function parseApdu(bytes: Buffer): Apdu {
  if (bytes.length < 4) {
    throw new StatusError(SW.wrongLength);
  }
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = bytes;
  return { cla, ins, p1, p2, data: dataOf(bytes.subarray(4)) };
}

/** Le is not looked at: an answer longer than a short APDU takes goes out in parts (61xx). */
function dataOf(body: Buffer): Buffer {
  if (body.length <= 1) {
    return Buffer.alloc(0);
  }
  const isExtended = body[0] === 0 && body.length >= 3;
  if (isExtended && body.length === 3) {
    return Buffer.alloc(0);
  }
  const start = isExtended ? 3 : 1;
  const length = isExtended ? body.readUInt16BE(1) : body.readUInt8(0);
  if (start + length > body.length) {
    throw new StatusError(SW.wrongLength);
  }
  return body.subarray(start, start + length);
}

/** True when the APDU is in the extended form, so that its answer may be long. */
export function isExtendedApdu(bytes: Buffer): boolean {
  return bytes.length >= 7 && bytes[4] === 0;
}

export function formatResponse(data: Uint8Array, status: number): Buffer {
  return Buffer.concat([data, Buffer.from([status >> 8, status & 0xff])]);
}
