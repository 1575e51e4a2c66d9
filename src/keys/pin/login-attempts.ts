// Logins that are under way in this process. Daemon and commands. One that is cut off leaves a
// latch that only a person can open, so whoever stops the process in order waits for them first.
// Each has a clock of its own.

import { AppError } from '../../lib/errors.js';

export class LoginAttempts {
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();

  /** Aborted when no attempt may begin any more. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /**
   * Makes an attempt, from its note on disk to the end of the note.
   * @throws AppError KEY_PIN_HELD when the process is about to stop; what `attempt` throws
   */
  async make<T>(attempt: () => Promise<T>): Promise<T> {
    if (this.signal.aborted) {
      throw new AppError('KEY_PIN_HELD', 'PIN: not tried any more, for this process is stopping');
    }
    const made = attempt();
    this.#underWay.add(made);
    try {
      return await made;
    } finally {
      this.#underWay.delete(made);
    }
  }

  /** Lets no other attempt begin, and waits for those that have begun. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#underWay);
  }
}
