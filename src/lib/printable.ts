// Makes untrusted text safe to show on a terminal, in a log line, in an error message. Pure. A
// server, a signer or a file may hold escape sequences, line breaks or bidirectional controls.

/** Characters one piece of foreign text may take in a message. */
const MAX_PRINTABLE_LENGTH = 1000;

/**
 * Control characters (C0, C1), formatting ones (bidirectional, invisible), line separators, halves
 * of a pair.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;
/** Most text has only these characters, and needs no replacement. */
const SAFE_LINES = /^[ -~\n]*$/;

/** `text` with every control and formatting character written as `\u001b`, cut to a length. */
export function printable(text: string, maxLength = MAX_PRINTABLE_LENGTH): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(UNSAFE, escapeUnits);
}

/**
 * The same for whole lines, whose line ends stay: applied to everything that is written to a
 * terminal. JSON keeps its meaning, as such characters occur in its strings alone.
 */
export function printableLines(text: string): string {
  return SAFE_LINES.test(text)
    ? text
    : text.replace(UNSAFE, (character) => (character === '\n' ? '\n' : escapeUnits(character)));
}

/** True when `text` has a control character (C0, C1). */
export function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** As JSON escapes them: by UTF-16 units (RFC 8259 §7). */
function escapeUnits(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}
