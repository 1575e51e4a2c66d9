// Runs in clavigerd and `clavigerd key`: one replica of an account key that several tokens or files
// hold, and its state for failover-key.ts.

import { AppError } from '../lib/errors.js';
import { isTokenKey, type AccountKey } from './account-key.js';

/** One value of the setting `privkey`. */
export interface KeySource {
  /** For the log; holds no secret. */
  readonly description: string;
  readonly open: () => Promise<AccountKey>;
}

export class KeyReplica {
  readonly description: string;
  readonly #open: () => Promise<AccountKey>;
  key: AccountKey | undefined;
  /** When it failed, by the timers' clock, milliseconds; undefined while it works. */
  failedAt: number | undefined;
  /** The error of that failure. */
  failure: AppError | undefined;
  /** Whether its key is the one that all replicas must hold; a foreign one never signs. */
  holds: 'unknown' | 'same' | 'foreign' = 'unknown';
  isWaking = false;

  constructor({ description, open }: KeySource) {
    this.description = description;
    this.#open = open;
  }

  /** Opens the key, or makes it ready to sign. @throws AppError as the key's source does */
  async wake(): Promise<AccountKey> {
    if (this.key === undefined) {
      this.key = await this.#open();
    } else if (isTokenKey(this.key)) {
      await this.key.wake();
    }
    return this.key;
  }

  /** Notes a failure. @param now by the timers' clock, milliseconds */
  fail(error: unknown, now: number): void {
    this.failedAt = now;
    this.failure = error instanceof AppError ? error : undefined;
  }

  /** True when its key has been compared and is the same. */
  get isKnown(): boolean {
    return this.key !== undefined && this.holds === 'same';
  }

  /** True when it may sign. */
  get isUsable(): boolean {
    const { key } = this;
    const isThere = key !== undefined && (!isTokenKey(key) || key.isAvailable);
    return isThere && this.isKnown && this.failedAt === undefined;
  }

  async close(): Promise<void> {
    await this.key?.close();
  }
}
