// The texts of fixed length in PKCS#11 structures, and in the URIs that other tools make of them.
// Pure.

/** Without the blanks at the end that PKCS#11 asks for, or the NULs that some modules put there. */
export function withoutPadding(text: string): string {
  return text.replace(/[ \0]+$/, '');
}
