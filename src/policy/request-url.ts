// What may stand in the "url" of a protected header, RFC 8555 §6.4. Pure. The URL is only used for
// its origin; anything that two URL parsers may read differently is refused.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { isLoopbackHost } from '../lib/web-url.js';

/**
 * `scheme://` and visible ASCII without the characters that parsers drop, fold or take as
 * separators.
 */
const PLAIN_URL = /^https?:\/\/[!#-;=?-Z\]_a-z~[%]+$/;

/** Why `text` is no acceptable request URL, or undefined when it is. */
export function checkUrl(text: string, allowHttpOnLoopback: boolean): string | undefined {
  const url = PLAIN_URL.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || authorityOf(text) === '') {
    return 'url is not an absolute https URL in plain ASCII';
  }
  if (url.username !== '' || url.password !== '' || authorityOf(text).includes('@')) {
    return 'url has user information';
  }
  if (url.hash !== '' || text.includes('#')) {
    return 'url has a fragment';
  }
  if (!isPlainHost(authorityOf(text), url.hostname)) {
    return 'url has a host in another form than its plain one';
  }
  if (url.protocol === 'https:') {
    return undefined;
  }
  if (url.protocol === 'http:' && allowHttpOnLoopback && isLoopbackHost(url.hostname)) {
    return undefined;
  }
  return 'url is not https';
}

/** `scheme://host[:port]`, lower-case, default port dropped; undefined for what is no URL. */
export function originOf(text: string): string | undefined {
  return URL.canParse(text) ? new URL(text).origin : undefined;
}

/**
 * Parses a server of a policy: `https://host[:port]`, or http on loopback.
 * @returns its origin, as originOf() gives it
 * @throws AppError POLICY_INVALID
 */
export function parseServer(text: string): string {
  const problem = checkUrl(text, true);
  const origin = originOf(text);
  if (problem !== undefined || origin === undefined || !/^[^/]+\/\/[^/?]+\/?$/.test(text)) {
    throw new AppError(
      'POLICY_INVALID',
      `server: "${printable(text, 100)}" is not an origin such as https://ca.example:14000`,
    );
  }
  return origin;
}

function authorityOf(text: string): string {
  return /^https?:\/\/([^/?#]*)/.exec(text)?.[1] ?? '';
}

/**
 * True when the host stands in the text as it is used, but for case: URL parsers of the web make an
 * address of `127.1` and a name of `%63a.example`, those after RFC 3986 §3.2.2 do not; and a dot at
 * the end would be a second name of the same server.
 */
function isPlainHost(authority: string, hostname: string): boolean {
  const written = authority.replace(/:\d*$/, '').toLowerCase();
  return written.startsWith('[') || (written === hostname && !written.endsWith('.'));
}
