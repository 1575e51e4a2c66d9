// The bytes of a PIN as they stand in a file or come from a command. Pure.

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/**
 * Blank, tab, vertical tab, form feed; in UTF-8 the no-break space that web pages have, and the
 * wide one.
 */
const BLANKS: readonly Buffer[] = [...[' ', '\t', '\v', '\f'], ...['\u00a0', '\u3000']].map(
  (blank) => Buffer.from(blank, 'utf8'),
);

/** Without one line end at the end: that is the editor's, not the PIN's. */
export function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) {
    return bytes;
  }
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}

/**
 * What shows that the bytes, their one line end cut, are not a PIN alone, in words that go on from
 * `the file`; undefined for what may be one. Sent to a token they would cost a try.
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

/** PKCS#11 takes PINs in UTF-8; other bytes would be sent as something else, and cost a try. */
export function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
