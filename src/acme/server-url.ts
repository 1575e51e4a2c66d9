// URLs a server hands out, before anybody connects to them or signs them. Pure.
// Runs in the client. The CA is not trusted: it may name any URL, so it gets https only.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

const MAX_URL_LENGTH = 2048;

/**
 * The directory URL a user configured: https, or http on loopback (a test server, or a proxy that
 * adds TLS itself).
 * @throws AppError ACME_INVALID
 */
export function parseDirectoryUrl(text: string): URL {
  const url = parseUrl(text, 'server');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url))) {
    throw badUrl(
      'server',
      text,
      'is not an https URL',
      'http is taken for a loopback address only',
    );
  }
  return url;
}

/**
 * A URL from the server itself. http is taken only when the directory came that way, and on
 * loopback: a server cannot talk the client down to clear text.
 * @param what the member it came in, for the message
 * @throws AppError ACME_INVALID
 */
export function parseServerUrl(text: string, directory: URL, what: string): URL {
  const url = parseUrl(text, what);
  const isClearTextAllowed = directory.protocol === 'http:' && isLoopback(url);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isClearTextAllowed)) {
    throw badUrl(what, text, 'is not an https URL');
  }
  return url;
}

function parseUrl(text: string, what: string): URL {
  if (text.length > MAX_URL_LENGTH) {
    throw badUrl(what, text.slice(0, 80), `is longer than ${MAX_URL_LENGTH} characters`);
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) {
    throw badUrl(what, text, 'is not a URL');
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw badUrl(what, text, 'has a user name, a password or a fragment');
  }
  return url;
}

function isLoopback(url: URL): boolean {
  return (
    url.hostname === 'localhost' ||
    url.hostname === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(url.hostname)
  );
}

function badUrl(what: string, text: string, problem: string, hint?: string): AppError {
  return new AppError('ACME_INVALID', `${what}: ${JSON.stringify(printable(text))} ${problem}`, {
    hint,
  });
}
