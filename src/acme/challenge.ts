// The http-01 challenge, RFC 8555 §8.1 and §8.3: chosen from those that are offered. Pure; runs in
// claviger. The token is not trusted: it becomes a path and a file name.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { Authorization, Challenge } from './objects.js';
import { parseServerUrl } from './transport/server-url.js';

// §8.3: at least 128 bits of entropy, which are 22 characters, and only the base64url alphabet.
// Alphabet and length keep a path and a file name made of it harmless.
const TOKEN = /^[A-Za-z0-9_-]{22,200}$/;

export const CHALLENGE_PATH = '/.well-known/acme-challenge/';

interface Http01Challenge {
  readonly url: URL;
  readonly token: string;
  /** False when the server is checking it already, for an earlier order: it is not asked again. */
  readonly isPending: boolean;
}

/** True for a token that may be used in a URL path and as a file name. */
export function isChallengeToken(token: string): boolean {
  return TOKEN.test(token);
}

/** The body of the web server's answer, RFC 8555 §8.1. */
export function keyAuthorization(token: string, thumbprint: string): string {
  return `${token}.${thumbprint}`;
}

/** The name that an authorization is for, for messages. */
export function nameOf({ identifier }: Authorization): string {
  return identifier === null || identifier === undefined
    ? 'a name'
    : printable(identifier.value, 300);
}

/** The http-01 challenge as the server sent it, unchecked. */
export function http01Of({ challenges }: Authorization): Challenge | undefined {
  return challenges.find(({ type }) => type === 'http-01');
}

/**
 * The http-01 challenge of an authorization.
 * @throws AppError ACME_UNSUPPORTED when none is offered, ACME_INVALID for a token or URL not to be
 *   used
 */
export function chooseHttp01(authorization: Authorization, directory: URL): Http01Challenge {
  const name = nameOf(authorization);
  const challenge = http01Of(authorization);
  if (challenge === undefined) {
    const offered = authorization.challenges.map(({ type }) => printable(type, 50)).join(', ');
    throw new AppError(
      'ACME_UNSUPPORTED',
      `${name}: the server offers no http-01 challenge, but ${offered === '' ? 'none at all' : offered}`,
    );
  }
  const token = challenge.token ?? '';
  if (!isChallengeToken(token)) {
    const shown = JSON.stringify(printable(token, 100));
    throw new AppError('ACME_INVALID', `${name}: challenge token ${shown} is not usable`, {
      hint: 'a token has 22 to 200 characters of A-Z a-z 0-9 _ -; nothing was written or served for this one',
    });
  }
  return {
    url: parseServerUrl(challenge.url ?? '', directory, `${name}: challenge url`),
    token,
    isPending: (challenge.status ?? 'pending') === 'pending',
  };
}
