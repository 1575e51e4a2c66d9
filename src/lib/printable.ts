// Foreign text made safe to show: on a terminal, in a log line, in an error message. Pure.
// A server, a signer or a file may send escape sequences, line breaks or text that runs backwards.

/** Characters one piece of foreign text may take in a message. */
export const MAX_PRINTABLE_LENGTH = 1000;

/** `text` with every control and formatting character written as `\u001b`, cut to a length. */
export function printable(text: string, maxLength = MAX_PRINTABLE_LENGTH): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
