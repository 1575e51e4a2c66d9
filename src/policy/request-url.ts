// Which URLs are allowed in the "url" of a protected header, RFC 8555 §6.4. Pure; clavigerd and
// `clavigerd policy`. The client wrote it. Only the origin of the URL is used; anything that two
// URL parsers may read differently is refused.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { isLoopbackHost, parseUrl } from '../lib/web-url.js';

/**
 * `scheme://` and visible ASCII without the characters that some parsers drop, change, or treat as
 * separators.
 */
const PLAIN_URL = /^https?:\/\/[!#-;=?-Z\]_a-z~[%]+$/;

/** Why `text` is not an allowed request URL; undefined when it is. */
export function checkUrl(text: string, allowHttpOnLoopback: boolean): string | undefined {
  const url = PLAIN_URL.test(text) ? parseUrl(text) : undefined;
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

/**
 * `scheme://host[:port]` in lower case without a default port; undefined for anything but a URL.
 */
export function originOf(text: string): string | undefined {
  return parseUrl(text)?.origin;
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
 * True when the host in the text is, apart from case, the host that a URL parser uses. Parsers of
 * the WHATWG turn `127.1` into an address and `%63a.example` into a name, those of RFC 3986 §3.2.2
 * do not; and with a final dot one server would have two names.
 */
function isPlainHost(authority: string, hostname: string): boolean {
  const written = authority.replace(/:\d*$/, '').toLowerCase();
  return written.startsWith('[') || (written === hostname && !written.endsWith('.'));
}
