// The logins that this process has under way. Runs in clavigerd and its commands. A login that is
// cut off leaves a latch that only a person can clear, so an orderly stop waits for them first.
// There is no time limit here: each login has its own.

import { AppError } from '../../lib/errors.js';

export class LoginAttempts {
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  /** Aborted when no attempt may begin any more: ends the wait for a lock. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * Runs an attempt, from before its latch is written until that is removed or says `refused`.
   * @throws AppError KEY_PIN_HELD when the process is stopping; what `attempt` throws
   */
  async make<T>(attempt: () => Promise<T>): Promise<T> {
    if (this.signal.aborted) {
      throw new AppError('KEY_PIN_HELD', 'PIN: not tried any more, for this process is stopping');
    }
    const running = attempt();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /** Lets no other attempt begin, and waits for those that have begun. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#underWay);
  }
}
