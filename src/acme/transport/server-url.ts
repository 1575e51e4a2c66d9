// Checks URLs from the server before they are requested or signed. Pure; runs in claviger. The CA
// is not trusted: it may name any URL, so only https is accepted.

import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { readWebUrl } from '../../lib/web-url.js';

const MAX_SHOWN_LENGTH = 500;

/**
 * A URL from the server. http is accepted on loopback only, and only when the directory came over
 * http: a server cannot make the client use clear text.
 * @param what the member it came in, for the message
 * @throws AppError ACME_INVALID
 */
export function parseServerUrl(text: string, directory: URL, what: string): URL {
  const result = readWebUrl(text, directory.protocol === 'http:');
  if ('url' in result) {
    return result.url;
  }
  const shown = JSON.stringify(printable(text, MAX_SHOWN_LENGTH));
  throw new AppError('ACME_INVALID', `${what}: ${shown} ${result.problem}`);
}
