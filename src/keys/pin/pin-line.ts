// The bytes of a PIN in a file or in the output of a command: what is cut off, and what cannot be a
// PIN. Runs in clavigerd and its commands. Pure.

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/**
 * Space, tab, vertical tab, form feed; in UTF-8 the no-break space, which copying from web pages
 * brings, and the ideographic space.
 */
const BLANKS: readonly Buffer[] = [...[' ', '\t', '\v', '\f'], ...['\u00a0', '\u3000']].map(
  (blank) => Buffer.from(blank, 'utf8'),
);

/** Without one line end at the end, which editors and `echo` add. */
export function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) {
    return bytes;
  }
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}

/**
 * Why the bytes, without their one line end, are more than a PIN; undefined for what may be one.
 * The words continue a sentence that begins with the name of the source. Sent to a token, such
 * bytes would cost a try.
 */
export function oddityOf(bytes: Buffer): string | undefined {
  if (bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) {
    return 'begins with a byte order mark';
  }
  if (bytes.includes(0)) {
    return 'holds a NUL';
  }
  if (bytes.includes(NEWLINE) || bytes.includes(CARRIAGE_RETURN)) {
    return 'has a second line, or a second line end';
  }
  if (BLANKS.some((blank) => bytes.subarray(0, blank.length).equals(blank))) {
    return 'begins with a blank';
  }
  return BLANKS.some((blank) => bytes.subarray(-blank.length).equals(blank))
    ? 'ends with a blank'
    : undefined;
}

/** PKCS#11 takes PINs in UTF-8. Other bytes would be replaced on the way, and cost a try. */
export function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
