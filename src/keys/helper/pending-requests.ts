// Runs in clavigerd and in `clavigerd key`: the requests that were sent to one token helper, in
// their order, and the deadline of the one the helper works on. Does not trust the helper: a reply
// out of order is an error, and no reply is waited for without an end.

import { AppError } from '../../lib/errors.js';
import type { Timer, Timers } from '../../lib/timers.js';
import type { HelperResult } from '../../token/messages.js';
import { errorOfResult } from '../../token/token-error.js';

/** Results that are not errors; errors are thrown. */
export type GoodResult = Exclude<HelperResult, { kind: 'error' }>;

/** The helper ended before it began with this request: another helper may do it. */
export class NotBegunError extends AppError {
  constructor(message: string) {
    super('TOKEN_HELPER', message);
  }
}

interface PendingRequest {
  readonly id: number;
  /** Counted from when the helper can begin with it. */
  readonly timeoutMs: number;
  /** Called then. */
  readonly onBegin: (() => void) | undefined;
  readonly resolve: (result: GoodResult) => void;
  readonly reject: (error: Error) => void;
}

interface PendingRequestsOptions {
  readonly timers: Timers;
  /** Called with the error of a request that has had its time: the helper has to be killed. */
  readonly onOverdue: (error: AppError) => void;
  /** Called when the first request is added, and when the last one is answered. */
  readonly onBusy: (isBusy: boolean) => void;
}

export class PendingRequests {
  readonly #options: PendingRequestsOptions;
  readonly #requests: PendingRequest[] = [];
  #deadline: Timer | undefined;

  constructor(options: PendingRequestsOptions) {
    this.#options = options;
  }

  /** Puts a request behind the others. */
  add(request: PendingRequest): void {
    this.#requests.push(request);
    if (this.#requests.length === 1) {
      this.#options.onBusy(true);
      this.#beginNext();
    }
  }

  /** Settles the first request with its reply. @throws AppError TOKEN_HELPER if it is of another */
  settle(id: number, result: HelperResult): void {
    const [request] = this.#requests;
    if (request?.id !== id) {
      throw new AppError('TOKEN_HELPER', 'token helper: replied out of turn');
    }
    this.#requests.shift();
    this.#beginNext();
    if (result.kind === 'error') {
      request.reject(errorOfResult(result));
    } else {
      request.resolve(result);
    }
  }

  /** Rejects all requests. @param others the error of those the helper has not begun with */
  fail(first: Error, others: Error): void {
    this.#deadline?.cancel();
    for (const [at, request] of this.#requests.splice(0).entries()) {
      request.reject(at === 0 ? first : others);
    }
  }

  /** The helper can begin with the first request now: its time starts. */
  #beginNext(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
    const { timers, onBusy, onOverdue } = this.#options;
    const [next] = this.#requests;
    if (next === undefined) {
      onBusy(false);
      return;
    }
    next.onBegin?.();
    this.#deadline = timers.after(next.timeoutMs, () => {
      const seconds = next.timeoutMs / 1000;
      onOverdue(
        new AppError('TOKEN_TIMEOUT', `token: no answer within ${seconds} s`, {
          hint: 'the token helper was killed; the next request starts a fresh one',
        }),
      );
    });
  }
}
