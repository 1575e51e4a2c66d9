// Texts of fixed length in PKCS#11 structures, and in URIs that other tools make of them. Pure.

/** Removes the blanks at the end that PKCS#11 prescribes, or the NULs that some modules write. */
export function withoutPadding(text: string): string {
  return text.replace(/[ \0]+$/, '');
}
