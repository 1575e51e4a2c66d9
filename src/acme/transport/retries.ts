// The one rule on repeating a request, whatever its method. Runs in the client. A server that does
// not answer, answers that it is in trouble, or does not know yet what it has just handed out is
// asked again, after growing pauses, for as long as the whole operation may take. What may have
// been acted on is repeated only if that does no harm; whoever sent it asks what became of it
// otherwise.

import { messageOf } from '../../lib/errors.js';
import { HttpTrouble } from './http-trouble.js';
import { isProblem, ServerProblem } from '../problem.js';
import type { Timing } from '../timing.js';

/** With every seventh nonce rejected, eight tries fail once in four million requests. */
const MAX_NONCE_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 100;
const PAUSE_FACTOR = 2.5;
const MAX_PAUSE_MS = 30_000;
/**
 * A server that nobody has heard of yet in this run is likely named wrong: the user is told soon.
 */
const UNHEARD_PATIENCE_MS = 15_000;
/** How long a replica may lag behind the one that answered first. */
const LAG_PATIENCE_MS = 30_000;
/** A change that the server turned down for the moment; each try counts towards its limits. */
const MAX_CHANGE_ATTEMPTS = 6;
/** Pauses shorter than this are not told. */
const SILENT_PAUSE_MS = 1_000;

/** The server turned the request down, and has not acted on it. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);
/** Request timeout, too early (RFC 8470), and what is wrong behind or in the server. */
const TROUBLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 500, 502, 504]);

/** What waiting for a server needs. */
export interface WaitContext {
  readonly timing: Timing;
  /** Milliseconds since 1970 when the whole operation must be done. */
  readonly deadlineMs: number;
  /** Tells the user what is waited for, one line. */
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

/** True when nobody can say whether the server acted on a request that is not to be repeated. */
export function isUndecided(error: unknown): boolean {
  return error instanceof HttpTrouble
    ? error.isSent && error.isPassing
    : error instanceof ServerProblem && isTroubleStatus(error.status);
}

/** The tries of one request. */
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
        return; // its answer brought a fresh nonce
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
    this.#tell(failure, asked, pauseMs);
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

  #tell(failure: unknown, asked: number | undefined, pauseMs: number): void {
    const seconds = Math.ceil(pauseMs / 1000);
    if (asked !== undefined && asked > 0) {
      this.#context.report(`the server is busy and asks to wait ${seconds} s`);
    } else if (pauseMs >= SILENT_PAUSE_MS) {
      const [line = ''] = messageOf(failure).split('\n');
      this.#context.report(`${line}; trying again in ${seconds} s`);
    }
  }
}

/**
 * What a proxy or the server itself says when it could not do it; the numbers beyond are those of
 * proxies.
 */
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
