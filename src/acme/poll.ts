// Asking again until something is done: Retry-After honoured, backoff otherwise, one deadline. Pure
// but for the injected timing; runs in the client.

import { AppError } from '../lib/errors.js';
import type { WaitContext } from './retries.js';

const FIRST_DELAY_MS = 50;
const BACKOFF_FACTOR = 1.6;
const MAX_DELAY_MS = 5_000;
/** Whoever waits longer than this wants to know for what. */
const SILENT_WAIT_MS = 5_000;

export interface PollResult<T> {
  readonly value: T;
  readonly isDone: boolean;
  /** What the server asked for, in milliseconds; undefined when it did not. */
  readonly retryAfterMs: number | undefined;
}

export interface PollOptions<T> {
  /** What is waited for, as the subject of the time-out message. */
  readonly what: string;
  readonly context: WaitContext;
  /** A result already at hand, so that the first wait can honour its Retry-After. */
  readonly first?: PollResult<T>;
  fetch(): Promise<PollResult<T>>;
}

/**
 * Fetches until the result is done.
 * @throws AppError ACME_TIMEOUT when the deadline passes, or the server asks to wait beyond it
 */
export async function poll<T>(options: PollOptions<T>): Promise<T> {
  const { timing, deadlineMs } = options.context;
  let delayMs = FIRST_DELAY_MS;
  let waitedMs = 0;
  let isTold = false;
  let result = options.first ?? (await options.fetch());
  while (!result.isDone) {
    // Retry-After: 0 is no wish to be asked without a pause.
    const waitMs = Math.max(result.retryAfterMs ?? 0, delayMs);
    const leftMs = deadlineMs - timing.now();
    if (waitMs > leftMs) {
      throw timedOut(options.what, result.retryAfterMs, leftMs);
    }
    waitedMs += waitMs;
    if (!isTold && waitedMs >= SILENT_WAIT_MS) {
      isTold = true;
      options.context.report(`${options.what}: waiting for the server${askedFor(result)}`);
    }
    await timing.sleep(waitMs);
    delayMs = Math.min(delayMs * BACKOFF_FACTOR, MAX_DELAY_MS);
    result = await options.fetch();
  }
  return result.value;
}

function askedFor({ retryAfterMs }: PollResult<unknown>): string {
  const seconds = Math.ceil((retryAfterMs ?? 0) / 1000);
  return seconds === 0 ? '' : `, which asks for ${seconds} s`;
}

function timedOut(what: string, retryAfterMs: number | undefined, leftMs: number): AppError {
  const asked =
    retryAfterMs !== undefined && retryAfterMs > leftMs
      ? `; the server asks to come back in ${Math.ceil(retryAfterMs / 1000)} s`
      : '';
  return new AppError('ACME_TIMEOUT', `${what}: not done in the time allowed${asked}`, {
    hint: 'run the command again later, or allow more time with --timeout',
  });
}
