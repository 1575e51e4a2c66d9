// Runs in the daemon: one token with its helpers, and the one queue that feeds them. Clients are served in
// turn. While no helper is in service, requests are answered at once with the reason.

import { AppError } from '../lib/errors.js';
import { UnsentError, type Asker, type Client } from './account-key.js';
import { FairQueue } from './fair-queue.js';
import { HelperSeat, type HelperSeatOptions, type SigningJob } from './helper-seat.js';
import type { PinGovernor } from './pin-governor.js';
import { TokenLogin, type TokenIdentity } from './token-login.js';
import { DEFAULT_TOKEN_TIMEOUT_MS } from './token-supervisor.js';

/** Default for when a signature counts as waiting for a touch. */
export const DEFAULT_TOUCH_NOTICE_MS = 3_000;
/** Six times what a helper with SoftHSM has after a million signatures. */
const MEMORY_LIMIT_BYTES = 300 * 1024 * 1024;

export interface TokenPoolOptions extends Omit<
  HelperSeatOptions,
  'login' | 'onChange' | 'timeoutMs' | 'touchNoticeMs' | 'memoryLimitBytes'
> {
  /** Decides on logins; closed with the pool. */
  readonly governor: PinGovernor;
  /** How many helper processes. */
  readonly helpers: number;
  readonly timeoutMs?: number | undefined;
  readonly touchNoticeMs?: number | undefined;
  readonly memoryLimitBytes?: number | undefined;
}

export class TokenPool {
  readonly #login: TokenLogin;
  readonly #seats: readonly HelperSeat[];
  readonly #queue = new FairQueue<SigningJob>();
  /** Which seat a signature is of, as long as anybody has it. */
  readonly #originOf = new WeakMap<Buffer, HelperSeat>();
  #closed = false;

  constructor(options: TokenPoolOptions) {
    const { helpers, governor, timeoutMs, touchNoticeMs, memoryLimitBytes, ...rest } = options;
    this.#login = new TokenLogin(governor);
    this.#seats = Array.from(
      { length: helpers },
      () =>
        new HelperSeat({
          ...rest,
          login: this.#login,
          timeoutMs: timeoutMs ?? DEFAULT_TOKEN_TIMEOUT_MS,
          touchNoticeMs: touchNoticeMs ?? DEFAULT_TOUCH_NOTICE_MS,
          memoryLimitBytes: memoryLimitBytes ?? MEMORY_LIMIT_BYTES,
          onChange: () => {
            this.#pump();
          },
        }),
    );
  }

  /** Process IDs of the helpers that run. */
  get pids(): number[] {
    return this.#seats.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** True unless requests are answered with an error at once: another token may be asked then. */
  get isAvailable(): boolean {
    return this.#outage() === undefined;
  }

  /** Starts a helper, unless that is done; others follow when there is work. @throws AppError TOKEN_*, or what reading the PIN throws */
  async start(): Promise<TokenIdentity> {
    const [first] = this.#seats;
    if (first === undefined) {
      throw new AppError('TOKEN_HELPER', 'token helper: none is configured');
    }
    return first.start();
  }

  /**
   * Signs the bytes of a JWS signing input, in JWS form.
   * @throws AppError TOKEN_*; UnsentError when the token has not seen the request
   */
  sign(input: Buffer, { client, onNotice, onBegin }: Asker): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#queue.push(client, { client, input, resolve, reject, onNotice, onBegin, wanted: true });
      this.#pump();
    });
  }

  /** The client is gone: what it asked for is not signed, as far as that can be helped. */
  forget(client: Client): void {
    const gone = new AppError('KEY_CANCELLED', 'the client is gone');
    for (const job of this.#queue.remove(client)) {
      job.reject(gone);
    }
    for (const seat of this.#seats) {
      seat.forget(client);
    }
  }

  /** A signature of ours did not verify: the helper it came from is replaced. */
  distrust(signature: Buffer): void {
    this.#originOf.get(signature)?.distrust();
  }

  /** Ends the helpers and wipes the PIN. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pump();
    await Promise.all(this.#seats.map((seat) => seat.close()));
    this.#login.close();
  }

  /** Hands out what can be handed out, or answers what cannot be done. */
  #pump(): void {
    const outage = this.#outage();
    if (outage !== undefined) {
      for (const job of this.#queue.drain()) {
        job.reject(new UnsentError(outage));
      }
      return;
    }
    while (this.#queue.length > 0) {
      const seat = this.#freeSeat();
      const job = seat === undefined ? undefined : this.#queue.shift();
      if (seat === undefined || job === undefined) {
        this.#callForHelp();
        return;
      }
      void seat.run(this.#traced(job, seat));
    }
  }

  /** The least busy of the helpers that are ready; where none is, one has to be started for the job. */
  #freeSeat(): HelperSeat | undefined {
    if (!this.#seats.some((seat) => seat.isActive)) {
      return this.#seats.find((seat) => seat.outage === undefined);
    }
    return this.#seats
      .filter((seat) => seat.isReady && seat.hasRoom)
      .sort((a, b) => a.load - b.load)[0];
  }

  /** More work than the helpers at hand can do: one more of them starts. */
  #callForHelp(): void {
    const idle = this.#seats.find((seat) => !seat.isActive && seat.outage === undefined);
    void idle?.warmUp();
  }

  #traced(job: SigningJob, seat: HelperSeat): SigningJob {
    const { resolve } = job;
    return Object.assign(job, {
      resolve: (signature: Buffer) => {
        this.#originOf.set(signature, seat);
        resolve(signature);
      },
    });
  }

  /** Why nothing can be signed now, if so. */
  #outage(): AppError | undefined {
    if (this.#closed) {
      return new AppError('TOKEN_HELPER', 'token helper: closed');
    }
    return this.#seats.some((seat) => seat.isActive)
      ? undefined
      : this.#seats.find((seat) => seat.outage !== undefined)?.outage;
  }
}
