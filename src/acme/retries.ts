// The one rule on repeating a request, whatever its method. Runs in the client.
// Repeated are: a rejected nonce (RFC 8555 §6.5), a request to a server that asks for a short pause (503,
// 429 with Retry-After), and a read whose connection broke. A change that may have happened is not.

import { isConnectionReset } from './http.js';
import { isProblem, ServerProblem } from './problem.js';
import type { Timing } from './timing.js';

/** With every seventh nonce rejected, eight tries fail once in four million requests. */
const MAX_ATTEMPTS = 8;
/** A longer pause asked for by a busy server is reported, not waited for. */
const MAX_PAUSE_MS = 30_000;
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);

/** What waiting for a server needs. */
export interface WaitContext {
  readonly timing: Timing;
  /** Milliseconds since 1970 when the whole operation must be done. */
  readonly deadlineMs: number;
  /** Tells the user what is waited for, one line. */
  report(line: string): void;
}

/** The tries of one request. */
export class Retries {
  readonly #context: WaitContext;
  readonly #isRead: boolean;
  #attempt = 0;

  /** @param isRead true when the request changes nothing: it may be sent twice */
  constructor(context: WaitContext, isRead: boolean) {
    this.#context = context;
    this.#isRead = isRead;
  }

  /**
   * Waits as long as the failure asks for; returns when the request is to be sent again.
   * @throws the failure itself when it is final
   */
  async pauseAfter(failure: unknown): Promise<void> {
    this.#attempt += 1;
    const pauseMs = this.#attempt < MAX_ATTEMPTS ? this.#pauseBefore(failure) : undefined;
    if (pauseMs === undefined) {
      throw failure;
    }
    if (pauseMs > 0) {
      const { timing } = this.#context;
      this.#context.report(`the server is busy and asks to wait ${Math.ceil(pauseMs / 1000)} s`);
      await timing.sleep(pauseMs);
    }
  }

  /** Milliseconds to wait before trying again, or undefined when the failure is final. */
  #pauseBefore(failure: unknown): number | undefined {
    if (isProblem(failure, 'badNonce')) {
      return 0; // its answer brought a fresh nonce
    }
    if (isConnectionReset(failure)) {
      return this.#isRead ? 0 : undefined;
    }
    if (!(failure instanceof ServerProblem) || !BUSY_STATUSES.has(failure.status)) {
      return undefined;
    }
    const { retryAfterMs } = failure;
    const leftMs = this.#context.deadlineMs - this.#context.timing.now();
    return retryAfterMs !== undefined && retryAfterMs <= Math.min(MAX_PAUSE_MS, leftMs)
      ? Math.max(retryAfterMs, 1)
      : undefined;
  }
}

/** Sends a GET or HEAD until it is answered, as often as the rule allows. */
export async function readPatiently<T>(context: WaitContext, send: () => Promise<T>): Promise<T> {
  const retries = new Retries(context, true);
  for (;;) {
    try {
      return await send();
    } catch (error) {
      await retries.pauseAfter(error);
    }
  }
}
