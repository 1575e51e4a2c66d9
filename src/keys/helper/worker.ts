// Runs in clavigerd and `clavigerd key`: one helper of a pool, which the pool hands jobs to. Counts
// the jobs in hand, watches their time and the helper's memory, and takes the helper out of service
// while its breaker is open, trying it again from time to time. Does not trust the helper to
// answer, to end or to sign correctly.

import { AppError, asAppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Timer, Timers } from '../../lib/timers.js';
import type { Client } from '../account-key.js';
import { Breaker } from './breaker.js';
import type { TokenIdentity } from './login.js';
import { MemoryWatch, type MemoryWatchOptions } from './resident-memory.js';
import { decideRecovery } from './recovery-table.js';
import { failureOf } from './remedy.js';
import { JobWatch, type SigningJob } from './signing-job.js';
import { TokenSupervisor, type TokenSupervisorOptions } from './supervisor.js';

/** A token that signs faster than this gets the next job before it is done with one. */
const FAST_MS = 20;

export interface HelperWorkerOptions extends Omit<TokenSupervisorOptions, 'onLoss'> {
  readonly timers: Timers;
  readonly touchNoticeMs: number;
  readonly memory: Pick<MemoryWatchOptions, 'limitBytes' | 'readBytes'>;
  /** Called when the worker may take jobs again, or has just gone out of service. */
  readonly onChange: () => void;
}

export class HelperWorker {
  readonly #options: HelperWorkerOptions;
  readonly #supervisor: TokenSupervisor;
  readonly #breaker: Breaker;
  readonly #memory: MemoryWatch;
  readonly #inHand = new Set<JobWatch>();
  #probe: Timer | undefined;
  #outage: AppError | undefined;
  #lastDurationMs = Infinity;
  #isWarming = false;
  #closed = false;

  constructor(options: HelperWorkerOptions) {
    this.#options = options;
    this.#breaker = new Breaker(options.timers);
    this.#memory = new MemoryWatch({ timers: options.timers, ...options.memory });
    this.#supervisor = new TokenSupervisor({
      ...options,
      onLoss: () => {
        this.#breaker.strike();
      },
    });
  }

  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** How many jobs it has. */
  get load(): number {
    return this.#inHand.size;
  }

  get isReady(): boolean {
    return this.#supervisor.isReady;
  }

  /** True when it signs, or is about to. */
  get isActive(): boolean {
    const isAtWork = this.isReady || this.#isWarming || this.#inHand.size > 0;
    return this.#outage === undefined && isAtWork;
  }

  /** Why it takes no jobs; undefined while it does. */
  get outage(): AppError | undefined {
    return this.#outage;
  }

  /** True when it can be handed a job now. A card that waits for a touch gets no second one. */
  get hasRoom(): boolean {
    const room = this.#supervisor.isReady && this.#lastDurationMs < FAST_MS ? 2 : 1;
    return this.#outage === undefined && !this.#memory.isExceeded && this.#inHand.size < room;
  }

  /**
   * Starts the helper unless that is done. @throws AppError TOKEN_*, or what reading the PIN throws
   */
  async start(): Promise<TokenIdentity> {
    const identity = await this.#supervisor.start();
    this.#probe?.cancel();
    this.#breaker.close();
    if (this.#outage !== undefined) {
      this.#options.log('notice', 'token: in service again');
      this.#outage = undefined;
    }
    return identity;
  }

  /**
   * Starts the helper without anybody waiting for it; a failure takes the worker out of service.
   */
  async warmUp(): Promise<void> {
    if (this.#isWarming || this.#inHand.size > 0 || this.#closed) {
      return;
    }
    this.#isWarming = true;
    try {
      await this.start();
    } catch (error) {
      this.#breaker.trip();
      this.#leaveService(error);
    }
    this.#isWarming = false;
    this.#options.onChange();
  }

  /** Does a job, settles it, and never rejects. */
  async run(job: SigningJob): Promise<void> {
    const watch = this.#watch(job);
    this.#inHand.add(watch);
    let failure: unknown;
    try {
      await this.#sign(watch);
    } catch (error) {
      job.reject(error);
      if (watch.isWanted) {
        failure = error;
        this.#judge(error);
      }
    }
    watch.end();
    this.#inHand.delete(watch);
    if (this.#breaker.isOpen && this.#outage === undefined) {
      this.#leaveService(failure ?? new AppError('TOKEN_HELPER', 'token helper: ends too often'));
    }
    this.#checkMemory();
    this.#options.onChange();
  }

  /** The client has disconnected: stop waiting for a touch of the token on its behalf. */
  cancel({ connection }: Client): void {
    for (const watch of this.#inHand) {
      if (watch.job.client.connection === connection) {
        watch.abandon();
      }
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#probe?.cancel();
    return this.#supervisor.close();
  }

  #watch(job: SigningJob): JobWatch {
    const { log, timers, touchNoticeMs } = this.#options;
    const seconds = touchNoticeMs / 1000;
    return new JobWatch(job, {
      timers,
      touchNoticeMs,
      onLate: () => {
        log(
          'notice',
          `token: a signature takes more than ${seconds} s; does the token wait for a touch?`,
        );
      },
      onAbandoned: () => {
        log('notice', 'token helper: killed, the client it waits for is gone');
        this.#supervisor.kill();
      },
    });
  }

  async #sign(watch: JobWatch): Promise<void> {
    const bytes = await this.#supervisor.sign(watch.job.input, {
      onBegin: () => {
        watch.begin();
      },
      isWanted: () => watch.isWanted,
    });
    this.#lastDurationMs = this.#options.timers.now() - watch.beganAt;
    this.#breaker.succeed();
    watch.job.resolve({
      bytes,
      beganAt: watch.beganAt,
      reject: () => {
        this.#distrust();
      },
    });
  }

  /** The helper has made a signature that does not verify: it is replaced. */
  #distrust(): void {
    this.#breaker.strike();
    this.#supervisor.kill();
    if (this.#breaker.isOpen) {
      this.#leaveService(new AppError('TOKEN_FAILED', 'token: its signatures do not verify'));
    }
  }

  /** What a failure that reached a client means for the next request. */
  #judge(error: unknown): void {
    const failure = failureOf(error);
    const remedy = decideRecovery(failure, undefined);
    if (remedy === 'request' || (remedy === 'operator' && this.#supervisor.isReady)) {
      return;
    }
    // A hang has cost its helper, which was a strike; nothing has helped against the rest.
    if (failure.code !== 'TOKEN_TIMEOUT' && !this.#breaker.isOpen) {
      this.#breaker.trip();
    }
  }

  #leaveService(error: unknown): void {
    const { log, timers } = this.#options;
    const outage = asAppError(error, 'TOKEN_FAILED');
    log(
      // Another reason is news: after "no token", another card may have been put in.
      this.#outage?.message === outage.message ? 'debug' : 'error',
      `token: out of service: ${printable(messageOf(error))}; tried again in ${this.#breaker.delayMs / 1000} s`,
    );
    this.#outage = outage;
    this.#supervisor.retire();
    this.#probe?.cancel();
    if (!this.#closed) {
      const probe = (): void => {
        void this.warmUp();
      };
      this.#probe = timers.after(this.#breaker.delayMs, probe, false);
    }
  }

  /** Retires a helper that grew too large, once it has no job; the next job starts another. */
  #checkMemory(): void {
    this.#memory.check(this.#supervisor.pid);
    if (this.#memory.isExceeded && this.#inHand.size === 0) {
      this.#memory.reset();
      this.#options.log('notice', 'token helper: replaced, its memory has grown too large');
      this.#supervisor.retire();
    }
  }
}
