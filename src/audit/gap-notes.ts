// What the audit log has to tell of itself before it goes on: records that are missing, and why. Pure.

export class GapNotes {
  #reasons: string[] = [];
  #lost = 0;
  #lostReason = '';

  /** The same reason twice in a row of notes is one. */
  add(reason: string): void {
    if (!this.#reasons.includes(reason)) {
      this.#reasons.push(reason);
    }
  }

  /** Counts records that could not be written; the first reason of a spell is the one that is told. */
  addLost(count: number, reason: string): void {
    if (this.#lost === 0) {
      this.#lostReason = reason;
    }
    this.#lost += count;
  }

  /** A gap record each. */
  reasons(): readonly string[] {
    if (this.#lost === 0) {
      return this.#reasons;
    }
    const records = this.#lost === 1 ? '1 record' : `${this.#lost} records`;
    return [...this.#reasons, `${records} could not be written: ${this.#lostReason}`];
  }

  clear(): void {
    this.#reasons = [];
    this.#lost = 0;
  }
}
