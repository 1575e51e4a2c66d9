// One authorization, RFC 8555 §7.5: proved by http-01, waited for, explained when it fails. Runs in
// the client; publishing the answer is the caller's, through a port that takes a token only.

import { AppError, isAppError } from '../lib/errors.js';
import { chooseHttp01, http01Of, nameOf } from './challenge.js';
import { parseBody } from './transport/json.js';
import { authorizationSchema, type Authorization } from './objects.js';
import { poll, type PollResult } from './poll.js';
import { challengeHintFor, formatProblem, ServerProblem } from './problem.js';
import { parseRetryAfter } from './transport/retry-after.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './transport/signed-post.js';

export interface ChallengePublisher {
  /**
   * Makes the key authorization of `token` available over http on the name. Whoever does it knows
   * the thumbprint from the signer itself, so this port needs, and takes, nothing but the token.
   */
  publishHttp01(token: string): Promise<void>;
  /**
   * Removes what an earlier run, which was killed, has published for `token`. Absent where nothing
   * outlives a run.
   */
  withdrawHttp01?(token: string): Promise<void>;
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
  const name = nameOf(current);
  if (current.status === 'valid') {
    session.report(`${name}: already authorized`);
    await withdraw(current, publisher);
    return;
  }
  if (current.status !== 'pending') {
    throw failedAuthorization(current);
  }
  const challenge = chooseHttp01(current, session.directory.url);
  await publisher.publishHttp01(challenge.token);
  session.report(`${name}: answering the http-01 challenge, waiting for the server to check it`);
  const retryAfterMs = challenge.isPending
    ? await announceAnswer(session, accountUrl, challenge.url, { name, fetch })
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

/** For an authorization that needs no proof any more: one that cannot be read is let be. */
export async function withdrawAnswer(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  publisher: ChallengePublisher,
): Promise<void> {
  try {
    await withdraw((await fetchAuthorization(session, accountUrl, url)).value, publisher);
  } catch (error) {
    if (!isAppError(error) || !error.code.startsWith('ACME_')) {
      throw error;
    }
  }
}

async function withdraw(
  authorization: Authorization,
  publisher: ChallengePublisher,
): Promise<void> {
  const token = http01Of(authorization)?.token ?? undefined;
  if (token !== undefined) {
    await publisher.withdrawHttp01?.(token);
  }
}

/** What is waited for. */
interface Awaited {
  readonly name: string;
  readonly fetch: () => Promise<PollResult<Authorization>>;
}

/**
 * Tells the server to look at the answer, RFC 8555 §7.5.1; gives what it asks to wait, in
 * milliseconds. Telling it twice does no harm, and one that will not be told again may have looked
 * already: the authorization says.
 */
async function announceAnswer(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  { name, fetch }: Awaited,
): Promise<number | undefined> {
  try {
    const response = await postSigned(session, {
      url,
      payload: {},
      accountUrl,
      what: `${name}: challenge`,
      isRepeatable: true,
      mayLag: true,
    });
    return parseRetryAfter(response.headers.get('retry-after'), session.timing.now());
  } catch (error) {
    const found = error instanceof ServerProblem ? await fetch() : undefined;
    if (found === undefined || isUntouched(found.value)) {
      throw error;
    }
    return found.retryAfterMs;
  }
}

/** True for an authorization that the server has not begun to check. */
function isUntouched(authorization: Authorization): boolean {
  const challenge = http01Of(authorization);
  return authorization.status === 'pending' && (challenge?.status ?? 'pending') === 'pending';
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
    mayLag: true,
  });
  const value = parseBody(authorizationSchema, response, 'authorization');
  return {
    value,
    // RFC 8555 §7.1.6: a challenge that failed stays so, whatever becomes of the others.
    isDone: value.status !== 'pending' || http01Of(value)?.status === 'invalid',
    retryAfterMs: parseRetryAfter(response.headers.get('retry-after'), session.timing.now()),
  };
}

function failedAuthorization(authorization: Authorization): AppError {
  const [problem] = authorization.challenges.flatMap(({ error }) => error ?? []);
  const reason =
    problem === undefined ? `the authorization is ${authorization.status}` : formatProblem(problem);
  return new AppError('ACME_ORDER_FAILED', `${nameOf(authorization)}: ${reason}`, {
    hint: problem === undefined ? undefined : challengeHintFor(problem),
  });
}
