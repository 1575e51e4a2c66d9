// Runs in clavigerd and `clavigerd key`: one token with its helpers, and the one queue that feeds
// them. Clients take turns. While no helper is in service, requests are answered at once with the
// reason. Does not trust the helpers; what each may do wrong is the concern of its worker.

import { AppError } from '../../lib/errors.js';
import { DEFAULT_TOUCH_NOTICE_MS } from '../../lib/signing-times.js';
import { systemTimers, type Timers } from '../../lib/timers.js';
import { UnsentError, type Client, type KeySignature, type SignContext } from '../account-key.js';
import { FairQueue } from '../fair-queue.js';
import { TokenLogin, type Guard, type TokenIdentity } from './login.js';
import { readResidentBytes } from './resident-memory.js';
import type { SigningJob } from './signing-job.js';
import { HelperWorker, type HelperWorkerOptions } from './worker.js';

/** Six times what a helper with SoftHSM has after a million signatures. */
const MEMORY_LIMIT_BYTES = 300 * 1024 * 1024;

interface TokenPoolOptions extends Pick<
  HelperWorkerOptions,
  'module' | 'token' | 'key' | 'log' | 'startHelper'
> {
  /** Decides on logins; closed with the pool. */
  readonly guard: Guard;
  /** How many helper processes. */
  readonly helpers: number;
  readonly touchNoticeMs?: number | undefined;
  readonly timers?: Timers;
  readonly memory?: HelperWorkerOptions['memory'];
}

export class TokenPool {
  readonly #login: TokenLogin;
  readonly #workers: readonly HelperWorker[];
  readonly #queue = new FairQueue<SigningJob>();
  #closed = false;

  constructor(options: TokenPoolOptions) {
    const { helpers, guard, touchNoticeMs, timers, memory, ...rest } = options;
    this.#login = new TokenLogin(guard);
    this.#workers = Array.from(
      { length: helpers },
      () =>
        new HelperWorker({
          ...rest,
          login: this.#login,
          timers: timers ?? systemTimers,
          touchNoticeMs: touchNoticeMs ?? DEFAULT_TOUCH_NOTICE_MS,
          memory: memory ?? { limitBytes: MEMORY_LIMIT_BYTES, readBytes: readResidentBytes },
          onChange: () => {
            this.#pump();
          },
        }),
    );
  }

  /** Process IDs of the helpers that run. */
  get pids(): number[] {
    return this.#workers.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** False while requests are answered with an error at once: another token may be used then. */
  get isAvailable(): boolean {
    return this.#outage() === undefined;
  }

  /**
   * Starts a helper, unless that is done; others follow when there are more requests than it can
   * take. @throws AppError TOKEN_*, or what reading the PIN throws
   */
  async start(): Promise<TokenIdentity> {
    const [first] = this.#workers;
    if (first === undefined) {
      throw new AppError('TOKEN_HELPER', 'token helper: none is configured');
    }
    return first.start();
  }

  /**
   * Signs the bytes of a JWS signing input, in JWS form.
   * @throws AppError TOKEN_*; UnsentError when the token has not seen the request
   */
  sign(input: Buffer, { client, onNotice }: SignContext): Promise<KeySignature> {
    return new Promise((resolve, reject) => {
      this.#queue.push(client, { client, input, resolve, reject, onNotice });
      this.#pump();
    });
  }

  /** Drops the requests of a client that has disconnected, as far as they have not been signed. */
  cancel(client: Client): void {
    const gone = new AppError('KEY_CANCELLED', 'the client is gone');
    for (const job of this.#queue.remove(client)) {
      job.reject(gone);
    }
    for (const worker of this.#workers) {
      worker.cancel(client);
    }
  }

  /** Ends the helpers and wipes the PIN. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pump();
    await Promise.all(this.#workers.map((worker) => worker.close()));
    this.#login.close();
  }

  /** Hands jobs to workers that have room; while none is in service, rejects them all. */
  #pump(): void {
    const outage = this.#outage();
    if (outage !== undefined) {
      for (const job of this.#queue.drain()) {
        job.reject(new UnsentError(outage));
      }
      return;
    }
    while (this.#queue.length > 0) {
      const worker = this.#freeWorker();
      const job = worker === undefined ? undefined : this.#queue.shift();
      if (worker === undefined || job === undefined) {
        this.#startAnother();
        return;
      }
      void worker.run(job);
    }
  }

  /**
   * The least busy of the workers whose helper is ready; where none is, one that starts its helper
   * for the job.
   */
  #freeWorker(): HelperWorker | undefined {
    if (!this.#workers.some((worker) => worker.isActive)) {
      return this.#workers.find((worker) => worker.outage === undefined);
    }
    return this.#workers
      .filter((worker) => worker.isReady && worker.hasRoom)
      .sort((a, b) => a.load - b.load)[0];
  }

  /** There are more jobs than the running helpers can take: another helper starts. */
  #startAnother(): void {
    const idle = this.#workers.find((worker) => !worker.isActive && worker.outage === undefined);
    void idle?.warmUp();
  }

  /** Why nothing can be signed now, if so. */
  #outage(): AppError | undefined {
    if (this.#closed) {
      return new AppError('TOKEN_HELPER', 'token helper: closed');
    }
    return this.#workers.some((worker) => worker.isActive)
      ? undefined
      : this.#workers.find((worker) => worker.outage !== undefined)?.outage;
  }
}
