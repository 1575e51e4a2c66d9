// The bytes of a PIN as they stand in a file or come from a command. Pure.

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Without one line end at the end: that is the editor's, not the PIN's. */
export function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) {
    return bytes;
  }
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}

/** PKCS#11 takes PINs in UTF-8; other bytes would be sent as something else, and cost a try. */
export function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
