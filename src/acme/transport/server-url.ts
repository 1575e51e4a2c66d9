// URLs a server hands out, before anybody connects to them or signs them. Pure.
// Runs in the client. The CA is not trusted: it may name any URL, so it gets https only.

import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { readWebUrl } from '../../lib/web-url.js';

const MAX_SHOWN_LENGTH = 500;

/**
 * A URL from the server itself. http is taken only when the directory came that way, and on
 * loopback: a server cannot talk the client down to clear text.
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
