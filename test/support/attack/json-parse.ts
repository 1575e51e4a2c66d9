// JSON.parse as another opinion on JSON. Used by test processes only. Some versions of Node (24.21
// and 26.10) read a text otherwise after they have read another one: there it is no opinion, and
// the simple reader is the only one.

/** False where a text that was read before changes what a later one is read as. */
const isJsonParseSound = ((): boolean => {
  JSON.parse('{"a":1,"\\\\":2}');
  const second: unknown = JSON.parse('{"a":1,"\\u0062":2}');
  return JSON.stringify(second) === '{"a":1,"b":2}';
})();

/**
 * What JSON.parse says of a text, undefined when it is no JSON; `fallback` where it is not sound.
 */
export function platformReading(
  text: string,
  fallback: { readonly value: unknown } | undefined,
): { readonly value: unknown } | undefined {
  if (!isJsonParseSound) {
    return fallback;
  }
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch {
    return undefined;
  }
}
