// Formats a value as JSON in printable ASCII. Pure; clavigerd and claviger, for lines that any
// reader and any terminal takes byte for byte: replies of the daemon, records of the audit log.

/**
 * JSON in which everything but printable ASCII is escaped, as `\uXXXX` of its UTF-16 units. A lone
 * surrogate, such as remains of a character that was cut in half, becomes U+FFFD, for a strict
 * reader refuses it.
 */
export function formatAsciiJson(value: object | string): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'string' ? each.replace(/\p{Surrogate}/gu, '\ufffd') : each,
  ).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
