// One authorization, RFC 8555 §7.5: proved by http-01, waited for, explained when it fails.
// Runs in the client; publishing the answer is the caller's, through a port that takes a token only.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { chooseHttp01 } from './challenge.js';
import { parseBody } from './json.js';
import { authorizationSchema, type Authorization } from './objects.js';
import { poll, type PollResult } from './poll.js';
import { formatProblem, hintFor } from './problem.js';
import { parseRetryAfter } from './retry-after.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './signed-post.js';

export interface ChallengePublisher {
  /**
   * Makes the key authorization of `token` available over http on the name. Whoever does it knows
   * the thumbprint from the signer itself, so this port needs, and takes, nothing but the token.
   */
  publishHttp01(token: string): Promise<void>;
}

/**
 * Brings an authorization to `valid`.
 * @throws AppError ACME_ORDER_FAILED with what the server says, and what requests throw
 */
export async function proveAuthorization(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  publisher: ChallengePublisher,
): Promise<void> {
  const fetch = (): Promise<PollResult<Authorization>> =>
    fetchAuthorization(session, accountUrl, url);
  const current = (await fetch()).value;
  const name = printable(current.identifier.value, 300);
  if (current.status === 'valid') {
    session.report(`${name}: already authorized`);
    return;
  }
  if (current.status !== 'pending') {
    throw failedAuthorization(current);
  }
  const challenge = chooseHttp01(current, session.directory.url);
  await publisher.publishHttp01(challenge.token);
  session.report(`${name}: answering the http-01 challenge, waiting for the server to check it`);
  const retryAfterMs = challenge.isPending
    ? await announceAnswer(session, accountUrl, challenge.url, name)
    : undefined;
  const final = await poll({
    what: `${name}: authorization`,
    context: session,
    first: { value: current, isDone: false, retryAfterMs },
    fetch,
  });
  if (final.status !== 'valid') {
    throw failedAuthorization(final);
  }
  session.report(`${name}: authorized`);
}

/** Tells the server to look at the answer, RFC 8555 §7.5.1; gives what it asks to wait, in milliseconds. */
async function announceAnswer(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  name: string,
): Promise<number | undefined> {
  const response = await postSigned(session, {
    url,
    payload: {},
    accountUrl,
    what: `${name}: challenge`,
  });
  return parseRetryAfter(response.headers.get('retry-after'), session.timing.now());
}

async function fetchAuthorization(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
): Promise<PollResult<Authorization>> {
  const response = await postSigned(session, {
    url,
    payload: undefined,
    accountUrl,
    what: 'authorization',
  });
  const value = parseBody(authorizationSchema, response, 'authorization');
  return {
    value,
    isDone: value.status !== 'pending',
    retryAfterMs: parseRetryAfter(response.headers.get('retry-after'), session.timing.now()),
  };
}

function failedAuthorization(authorization: Authorization): AppError {
  const name = printable(authorization.identifier.value, 300);
  const [problem] = authorization.challenges.flatMap(({ error }) => error ?? []);
  const reason =
    problem === undefined ? `the authorization is ${authorization.status}` : formatProblem(problem);
  return new AppError('ACME_ORDER_FAILED', `${name}: ${reason}`, {
    hint: problem === undefined ? undefined : hintFor(problem),
  });
}
