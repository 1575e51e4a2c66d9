// URLs that a server may be reached at: https, or http on loopback. Pure.

const MAX_URL_LENGTH = 2048;

/** A URL, or why it is not to be used, as the end of a sentence. */
type WebUrl = { readonly url: URL } | { readonly problem: string };

/**
 * A URL as the WHATWG parser reads it; undefined for any other text. Not URL.canParse: on Node 20 it
 * takes a text with characters beyond ASCII for a URL in one call and not in the next, once V8 has
 * compiled its caller.
 */
export function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

/**
 * Reads a URL without user name, password and fragment: https, or http on loopback (a test server,
 * or a proxy that adds TLS itself) where that is allowed.
 */
export function readWebUrl(text: string, isClearTextAllowed: boolean): WebUrl {
  if (text.length > MAX_URL_LENGTH) {
    return { problem: `is longer than ${MAX_URL_LENGTH} characters` };
  }
  const url = parseUrl(text);
  if (url === undefined) {
    return { problem: 'is not a URL' };
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    return { problem: 'has a user name, a password or a fragment' };
  }
  const isClearText =
    url.protocol === 'http:' && isClearTextAllowed && isLoopbackHost(url.hostname);
  return url.protocol === 'https:' || isClearText ? { url } : { problem: 'is not an https URL' };
}

/** True for this host itself. @param hostname as URL gives it: an IPv4 address in its plain form */
export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}
