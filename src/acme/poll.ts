// Polls a resource until it is done: two early requests, then pauses as Retry-After asks, or
// growing ones without it, until one deadline. Pure but for the injected timing; runs in claviger.

import { AppError } from '../lib/errors.js';
import type { WaitContext } from './transport/retries.js';

const FIRST_DELAY_MS = 20;
const BACKOFF_FACTOR = 1.6;
const MAX_DELAY_MS = 5_000;
/**
 * The pauses before the first two requests, whatever Retry-After says: authorities ask for seconds,
 * and often need 20 to 50 ms. All later pauses are as they ask.
 */
const EARLY_LOOKS_MS = [20, 330] as const;
/** A wait longer than this is reported. */
const SILENT_WAIT_MS = 5_000;

export interface PollResult<T> {
  readonly value: T;
  readonly isDone: boolean;
  /** What the server asks to wait, in milliseconds; undefined when it does not. */
  readonly retryAfterMs: number | undefined;
}

interface PollOptions<T> {
  /** What is waited for, as the subject of the time-out message. */
  readonly what: string;
  readonly context: WaitContext;
  /** A result already at hand, whose Retry-After counts for the first pause. */
  readonly first?: PollResult<T>;
  fetch(): Promise<PollResult<T>>;
}

/**
 * Fetches until the result is done. Where the server asks to come back after the deadline, polling
 * goes on until the deadline in pauses of our own.
 * @throws AppError ACME_TIMEOUT when the deadline passes
 */
export async function poll<T>(options: PollOptions<T>): Promise<T> {
  const { timing, deadlineMs } = options.context;
  let delayMs = FIRST_DELAY_MS;
  let waitedMs = 0;
  let isReported = false;
  let result = options.first ?? (await options.fetch());
  for (let looks = 0; !result.isDone; looks += 1) {
    const leftMs = deadlineMs - timing.now();
    if (leftMs < FIRST_DELAY_MS) {
      throw timedOut(options.what, result.retryAfterMs);
    }
    const waitMs = waitBefore(looks, result.retryAfterMs, delayMs, leftMs);
    waitedMs += waitMs;
    if (!isReported && waitedMs >= SILENT_WAIT_MS) {
      isReported = true;
      options.context.report(`${options.what}: waiting for the server${askedFor(result)}`);
    }
    await timing.sleep(waitMs);
    delayMs = Math.min(delayMs * BACKOFF_FACTOR, MAX_DELAY_MS);
    result = await options.fetch();
  }
  return result.value;
}

/**
 * @param delayMs our own pause, below which no Retry-After goes: `Retry-After: 0` must not make us
 *   poll without a pause
 */
function waitBefore(
  looks: number,
  retryAfterMs: number | undefined,
  delayMs: number,
  leftMs: number,
): number {
  const askedMs = Math.max(retryAfterMs ?? 0, delayMs);
  const early = EARLY_LOOKS_MS[looks];
  if (early !== undefined && askedMs > early) {
    return Math.min(early, leftMs / 2);
  }
  const waitMs = askedMs > leftMs ? delayMs : askedMs;
  // The last pauses get shorter, so that a result just before the deadline is seen.
  return Math.min(waitMs, Math.max(leftMs / 2, FIRST_DELAY_MS));
}

function askedFor({ retryAfterMs }: PollResult<unknown>): string {
  const seconds = Math.ceil((retryAfterMs ?? 0) / 1000);
  return seconds === 0 ? '' : `, which asks for ${seconds} s`;
}

function timedOut(what: string, retryAfterMs: number | undefined): AppError {
  const seconds = Math.ceil((retryAfterMs ?? 0) / 1000);
  const asked = seconds > 0 ? `; the server asks to come back in ${seconds} s` : '';
  return new AppError('ACME_TIMEOUT', `${what}: not done in the time allowed${asked}`, {
    hint: 'run the command again later, or allow more time with --timeout',
  });
}
