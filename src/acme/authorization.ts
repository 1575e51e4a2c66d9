// One authorization, RFC 8555 §7.5: proved by http-01, waited for, explained when it fails. Runs in
// claviger. Publishing the answer is the caller's part, through a port that takes a token only.

import { AppError, isErrorOf } from '../lib/errors.js';
import { chooseHttp01, http01Of, nameOf } from './challenge.js';
import { authorizationSchema, type Authorization } from './objects.js';
import { poll, type PollResult } from './poll.js';
import { challengeHintFor, formatProblem, ServerProblem } from './problem.js';
import { retryAfterOf } from './transport/retry-after.js';
import type { AccountSession } from './session.js';
import { postAsAccount, readResource } from './transport/signed-post.js';

export interface ChallengePublisher {
  /**
   * Serves the key authorization of `token` over http for the name. The thumbprint in it comes from
   * the signer itself, so this port takes nothing but the token.
   */
  publishHttp01(token: string): Promise<void>;
  /**
   * Removes what an earlier run that was killed has published for `token`. Absent where nothing
   * outlives a run.
   */
  withdrawHttp01?(token: string): Promise<void>;
}

/**
 * Brings an authorization to `valid`.
 * @throws AppError ACME_ORDER_FAILED with the server's reason, and what requests throw
 */
export async function proveAuthorization(
  session: AccountSession,
  url: URL,
  publisher: ChallengePublisher,
): Promise<void> {
  const fetch = (): Promise<PollResult<Authorization>> => fetchAuthorization(session, url);
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
    ? await requestValidation(session, challenge.url, { name, fetch })
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

/**
 * Removes the answer for an authorization that needs no proof any more. One that cannot be read is
 * left alone.
 */
export async function withdrawAnswer(
  session: AccountSession,
  url: URL,
  publisher: ChallengePublisher,
): Promise<void> {
  try {
    await withdraw((await fetchAuthorization(session, url)).value, publisher);
  } catch (error) {
    if (!isErrorOf(error, 'acme')) {
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

/** The authorization that a validation is for. */
interface Awaited {
  readonly name: string;
  readonly fetch: () => Promise<PollResult<Authorization>>;
}

/**
 * Asks the server to check the answer, RFC 8555 §7.5.1. Asking twice does no harm. A server that
 * refuses may have checked already: the authorization shows it.
 * @returns what the server asks to wait, in milliseconds
 */
async function requestValidation(
  session: AccountSession,
  url: URL,
  { name, fetch }: Awaited,
): Promise<number | undefined> {
  try {
    const response = await postAsAccount(session, {
      url,
      payload: {},
      what: `${name}: challenge`,
      isRepeatable: true,
      mayLag: true,
    });
    return retryAfterOf(response, session.timing.now());
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
  session: AccountSession,
  url: URL,
): Promise<PollResult<Authorization>> {
  const { value, response } = await readResource(session, authorizationSchema, {
    url,
    what: 'authorization',
    mayLag: true,
  });
  return {
    value,
    // RFC 8555 §7.1.6: a challenge that failed stays so, whatever becomes of the others.
    isDone: value.status !== 'pending' || http01Of(value)?.status === 'invalid',
    retryAfterMs: retryAfterOf(response, session.timing.now()),
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
