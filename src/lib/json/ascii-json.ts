// A value as JSON in printable ASCII. Pure; for lines whose readers may take bytes for characters:
// replies of the daemon, records of the audit log.

/**
 * Whatever is not printable ASCII is written as JSON's own escape of its UTF-16 units. A lone
 * surrogate, such as is left of a character that was cut through, becomes U+FFFD: a strict reader
 * would not take it.
 * @param value of JSON
 */
export function formatAsciiJson(value: object | string): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' ? each.replace(/\p{Surrogate}/gu, '\ufffd') : each,
  ).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
