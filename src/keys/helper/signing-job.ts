// Runs in clavigerd and `clavigerd key`: one signature that a client waits for, and its watch while
// a helper has it. A token that takes long may wait for a touch: the client is notified once, and a
// client that has disconnected must not keep the token waiting.

import type { Timer, Timers } from '../../lib/timers.js';
import type { Client, KeySignature } from '../account-key.js';

export interface SigningJob {
  readonly client: Client;
  readonly input: Buffer;
  readonly resolve: (signature: KeySignature) => void;
  readonly reject: (error: unknown) => void;
  /** Called once when the signature takes long: a person may have to touch the token. */
  readonly onNotice: (() => void) | undefined;
}

interface JobWatchOptions {
  readonly timers: Timers;
  readonly touchNoticeMs: number;
  /** Called once when the signature takes long. */
  readonly onLate: () => void;
  /** Called when it takes long and the client has disconnected: the helper is to be killed. */
  readonly onAbandoned: () => void;
}

/** A job while a helper has it. */
export class JobWatch {
  readonly job: SigningJob;
  readonly #options: JobWatchOptions;
  /** When the helper began with the last attempt, by the timers' clock. */
  beganAt = 0;
  #notice: Timer | undefined;
  #isLate = false;
  #isWanted = true;

  constructor(job: SigningJob, options: JobWatchOptions) {
    this.job = job;
    this.#options = options;
  }

  /** False once the client has disconnected. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** The helper begins with an attempt. */
  begin(): void {
    const { timers, touchNoticeMs } = this.#options;
    this.beganAt = timers.now();
    this.#notice?.cancel();
    if (!this.#isLate) {
      this.#notice = timers.after(touchNoticeMs, () => {
        this.#becomeLate();
      });
    }
  }

  /** The client has disconnected. */
  abandon(): void {
    this.#isWanted = false;
    this.#giveUpIfLate();
  }

  /** The job is settled. */
  end(): void {
    this.#notice?.cancel();
  }

  #becomeLate(): void {
    this.#isLate = true;
    this.#options.onLate();
    this.job.onNotice?.();
    this.#giveUpIfLate();
  }

  #giveUpIfLate(): void {
    if (this.#isLate && !this.#isWanted) {
      this.#options.onAbandoned();
    }
  }
}
