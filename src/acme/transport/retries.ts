// The one rule on repeating a request, whatever its method. Runs in claviger. A request is
// repeated, after growing pauses, when the server does not answer, answers with an error of its
// own, or does not know yet a URL that it has just handed out, until the deadline of the whole
// operation. A request that the server may have acted on is repeated only if that does no harm;
// otherwise its sender finds out what became of it.

import { messageOf } from '../../lib/errors.js';
import { HttpTrouble } from './http-trouble.js';
import { isProblem, ServerProblem } from '../problem.js';
import type { Timing } from '../timing.js';

/** If every seventh nonce is rejected, eight attempts fail once in six million requests. */
const MAX_NONCE_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 100;
const PAUSE_FACTOR = 2.5;
const MAX_PAUSE_MS = 30_000;
/**
 * A server that has never answered in this run is probably misspelt: the user should see it soon.
 */
const UNHEARD_PATIENCE_MS = 15_000;
/** How long a replica may lag behind the one that answered first. */
const LAG_PATIENCE_MS = 30_000;
/** For a change that the server refuses for the moment: each attempt counts towards its limits. */
const MAX_CHANGE_ATTEMPTS = 6;
/** Shorter pauses are not reported. */
const SILENT_PAUSE_MS = 1_000;

/** The server refused the request for the moment, and has not acted on it. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);
/** Request timeout, too early (RFC 8470), and errors in or behind the server. */
const TROUBLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 500, 502, 504]);

/** What waiting for a server needs. */
export interface WaitContext {
  readonly timing: Timing;
  /** Milliseconds since 1970 when the whole operation must be done. */
  readonly deadlineMs: number;
  /** Takes one line for the user on what is being waited for. */
  report(line: string): void;
}

export interface RequestNature {
  /** False for a change that must not be made twice. */
  readonly isRepeatable: boolean;
  /** True for the first requests of a run, before the server has answered any. */
  readonly isFirstContact?: boolean;
  /**
   * True for a URL that the server has just handed out: one of its replicas may not know it yet.
   */
  readonly mayLag?: boolean;
}

/** True when the server may have acted on a request, and may not. */
export function isUndecided(error: unknown): boolean {
  return error instanceof HttpTrouble
    ? error.isSent && error.isPassing
    : error instanceof ServerProblem && isTroubleStatus(error.status);
}

/** The attempts at one request. */
export class Retries {
  readonly #context: WaitContext;
  readonly #nature: RequestNature;
  #nonceAttempts = 0;
  #attempts = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #firstFailureMs: number | undefined;

  constructor(context: WaitContext, nature: RequestNature) {
    this.#context = context;
    this.#nature = nature;
  }

  /**
   * Waits as long as the failure asks for; returns when the request is to be sent again.
   * @throws the failure itself when it is final
   */
  async pauseAfter(failure: unknown): Promise<void> {
    if (isProblem(failure, 'badNonce')) {
      this.#nonceAttempts += 1;
      if (this.#nonceAttempts < MAX_NONCE_ATTEMPTS) {
        return; // its answer has a new nonce, RFC 8555 §6.5
      }
      throw failure;
    }
    const { timing, deadlineMs } = this.#context;
    this.#firstFailureMs ??= timing.now();
    const patienceMs = this.#patienceWith(failure);
    const asked = failure instanceof ServerProblem ? failure.retryAfterMs : undefined;
    const pauseMs = Math.max(asked ?? 0, this.#pauseMs);
    const endMs = Math.min(deadlineMs, this.#firstFailureMs + patienceMs);
    if (timing.now() + pauseMs > endMs) {
      throw failure;
    }
    this.#pauseMs = Math.min(this.#pauseMs * PAUSE_FACTOR, MAX_PAUSE_MS);
    this.#report(failure, asked, pauseMs);
    await timing.sleep(pauseMs);
  }

  /** Milliseconds since the first failure for which one like this is no reason to give up. */
  #patienceWith(failure: unknown): number {
    this.#attempts += 1;
    const { isRepeatable, isFirstContact, mayLag } = this.#nature;
    if (failure instanceof HttpTrouble) {
      const isWorth = failure.isPassing && (!failure.isSent || isRepeatable);
      return isWorth ? (isFirstContact === true ? UNHEARD_PATIENCE_MS : Infinity) : 0;
    }
    if (!(failure instanceof ServerProblem)) {
      return 0;
    }
    if (BUSY_STATUSES.has(failure.status)) {
      return isRepeatable || this.#attempts < MAX_CHANGE_ATTEMPTS ? Infinity : 0;
    }
    if (failure.status === 404) {
      return mayLag === true ? LAG_PATIENCE_MS : 0;
    }
    return isRepeatable && isTroubleStatus(failure.status) ? Infinity : 0;
  }

  #report(failure: unknown, asked: number | undefined, pauseMs: number): void {
    const seconds = Math.ceil(pauseMs / 1000);
    if (asked !== undefined && asked > 0) {
      this.#context.report(`the server is busy and asks to wait ${seconds} s`);
    } else if (pauseMs >= SILENT_PAUSE_MS) {
      const [line = ''] = messageOf(failure).split('\n');
      this.#context.report(`${line}; trying again in ${seconds} s`);
    }
  }
}

/** Errors of the server itself or of a proxy before it; those from 520 on are proxies' own. */
function isTroubleStatus(status: number): boolean {
  return TROUBLE_STATUSES.has(status) || status >= 520;
}

/** Sends a GET or HEAD until it is answered, as often as the rule allows. */
export async function readPatiently<T>(
  context: WaitContext,
  send: () => Promise<T>,
  nature: Omit<RequestNature, 'isRepeatable'> = {},
): Promise<T> {
  const retries = new Retries(context, { ...nature, isRepeatable: true });
  for (;;) {
    try {
      return await send();
    } catch (error) {
      await retries.pauseAfter(error);
    }
  }
}
