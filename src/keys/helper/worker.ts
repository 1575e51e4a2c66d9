// Runs in the daemon: a place for one helper of a pool. Counts what it has in hand, watches its
// clock and its memory, and keeps it out of service while its breaker is open, trying it anew from
// time to time.

import { performance } from 'node:perf_hooks';
import { systemClock } from '../../lib/clock.js';
import { AppError, asAppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Client, KeySignature } from '../account-key.js';
import { Breaker } from './breaker.js';
import { readResidentBytes } from './memory.js';
import { decideRecovery } from './recovery-table.js';
import type { TokenIdentity } from './login.js';
import { failureOf, TokenSupervisor, type TokenSupervisorOptions } from './supervisor.js';

/** A token that signs faster than this is handed the next request before it is done with one. */
const FAST_MS = 20;
/** Longest time between two looks at the memory of a helper at work. */
const MEMORY_CHECK_MS = 1_000;

export interface HelperWorkerOptions extends Omit<TokenSupervisorOptions, 'onLoss'> {
  readonly touchNoticeMs: number;
  readonly memoryLimitBytes: number;
  /** Told when the worker may take work again, or has just gone out of service. */
  readonly onChange: () => void;
}

/** One signature that somebody waits for. */
export interface SigningJob {
  readonly client: Client;
  readonly input: Buffer;
  readonly resolve: (signature: KeySignature) => void;
  readonly reject: (error: unknown) => void;
  /** Called once when the signature takes long: a person may have to touch the token. */
  readonly onNotice: (() => void) | undefined;
  /** False once the client is gone. */
  wanted: boolean;
}

interface JobInHand {
  readonly job: SigningJob;
  beganAt: number;
  noticeTimer: NodeJS.Timeout | undefined;
  isLate: boolean;
}

export class HelperWorker {
  readonly #options: HelperWorkerOptions;
  readonly #supervisor: TokenSupervisor;
  readonly #breaker = new Breaker(systemClock);
  readonly #inHand = new Set<JobInHand>();
  #probe: NodeJS.Timeout | undefined;
  #outage: AppError | undefined;
  #lastDurationMs = Infinity;
  #memoryCheckedAt = 0;
  #isFull = false;
  #isWarming = false;
  #closed = false;

  constructor(options: HelperWorkerOptions) {
    this.#options = options;
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

  /** Why it takes no work; undefined while it does. */
  get outage(): AppError | undefined {
    return this.#outage;
  }

  /** True when it can be handed a job now. A card that waits for a touch gets no second one. */
  get hasRoom(): boolean {
    const room = this.#supervisor.isReady && this.#lastDurationMs < FAST_MS ? 2 : 1;
    return this.#outage === undefined && !this.#isFull && this.#inHand.size < room;
  }

  /**
   * Starts the helper unless that is done. @throws AppError TOKEN_*, or what reading the PIN throws
   */
  async start(): Promise<TokenIdentity> {
    const identity = await this.#supervisor.start();
    clearTimeout(this.#probe);
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
    const held: JobInHand = { job, beganAt: 0, noticeTimer: undefined, isLate: false };
    this.#inHand.add(held);
    let failure: unknown;
    try {
      const bytes = await this.#supervisor.sign(job.input, {
        onBegin: () => {
          this.#watch(held);
        },
        isWanted: () => job.wanted,
      });
      this.#lastDurationMs = performance.now() - held.beganAt;
      this.#breaker.succeed();
      job.resolve({
        bytes,
        beganAt: held.beganAt,
        reject: () => {
          this.#distrust();
        },
      });
    } catch (error) {
      job.reject(error);
      if (job.wanted) {
        failure = error;
        this.#judge(error);
      }
    }
    clearTimeout(held.noticeTimer);
    this.#inHand.delete(held);
    if (this.#breaker.isOpen && this.#outage === undefined) {
      this.#leaveService(failure ?? new AppError('TOKEN_HELPER', 'token helper: ends too often'));
    }
    this.#checkMemory();
    this.#options.onChange();
  }

  /** The client has disconnected: stop waiting for a touch of the token on its behalf. */
  cancel({ connection }: Client): void {
    for (const held of this.#inHand) {
      if (held.job.client.connection === connection) {
        held.job.wanted = false;
        this.#giveUpIfLate(held);
      }
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#probe);
    return this.#supervisor.close();
  }

  /** The helper has made a signature that does not verify: it is replaced. */
  #distrust(): void {
    this.#breaker.strike();
    this.#supervisor.kill();
    if (this.#breaker.isOpen) {
      this.#leaveService(new AppError('TOKEN_FAILED', 'token: its signatures do not verify'));
    }
  }

  #watch(held: JobInHand): void {
    held.beganAt = performance.now();
    clearTimeout(held.noticeTimer);
    if (held.isLate) {
      return; // told already; this is another attempt
    }
    held.noticeTimer = setTimeout(() => {
      held.isLate = true;
      const seconds = this.#options.touchNoticeMs / 1000;
      const text = `token: a signature takes more than ${seconds} s; does the token wait for a touch?`;
      this.#options.log('notice', text);
      held.job.onNotice?.();
      this.#giveUpIfLate(held);
    }, this.#options.touchNoticeMs);
  }

  #giveUpIfLate({ job, isLate }: JobInHand): void {
    if (isLate && !job.wanted) {
      this.#options.log('notice', 'token helper: killed, the client it waits for is gone');
      this.#supervisor.kill();
    }
  }

  /** What a failure that reached a client means for the next one. */
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
    const { log } = this.#options;
    const outage = asAppError(error, 'TOKEN_FAILED');
    log(
      // Another reason is news: after "no token" the card of somebody else may have been put in.
      this.#outage?.message === outage.message ? 'debug' : 'error',
      `token: out of service: ${printable(messageOf(error))}; tried again in ${this.#breaker.delayMs / 1000} s`,
    );
    this.#outage = outage;
    this.#supervisor.retire();
    clearTimeout(this.#probe);
    if (!this.#closed) {
      this.#probe = setTimeout(() => {
        void this.warmUp();
      }, this.#breaker.delayMs).unref();
    }
  }

  /**
   * Between requests: a helper that grew too large is ended in order, and the next request starts
   * another.
   */
  #checkMemory(): void {
    const { pid } = this.#supervisor;
    const now = performance.now();
    if (pid !== undefined && !this.#isFull && now - this.#memoryCheckedAt > MEMORY_CHECK_MS) {
      this.#memoryCheckedAt = now;
      this.#isFull = (readResidentBytes(pid) ?? 0) > this.#options.memoryLimitBytes;
    }
    if (this.#isFull && this.#inHand.size === 0) {
      this.#isFull = false;
      this.#options.log('notice', 'token helper: replaced, its memory has grown too large');
      this.#supervisor.retire();
    }
  }
}
