// One of the places an account key is at, and what is known of it. Runs in the daemon, for
// failover-key.ts.

import { AppError } from '../lib/errors.js';
import { isTokenKey, type AccountKey } from './account-key.js';

/** A setting that names the key at one place. */
export interface KeySource {
  /** For the log, without a secret. */
  readonly description: string;
  readonly open: () => Promise<AccountKey>;
}

export class KeyReplica {
  readonly description: string;
  readonly #open: () => Promise<AccountKey>;
  key: AccountKey | undefined;
  /** By the clock, milliseconds; undefined while it works. */
  failedAt: number | undefined;
  /** What was wrong then. */
  failure: AppError | undefined;
  /** Whether its key is the one all places must hold; a foreign one is never asked. */
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

  /** It does not work now. @param now by the clock, milliseconds */
  fail(error: unknown, now: number): void {
    this.failedAt = now;
    this.failure = error instanceof AppError ? error : undefined;
  }

  /** True when its key has been seen, and is the one. */
  get isKnown(): boolean {
    return this.key !== undefined && this.holds === 'same';
  }

  /** True when it may be asked to sign. */
  get isUsable(): boolean {
    const { key } = this;
    const isThere = key !== undefined && (!isTokenKey(key) || key.isAvailable);
    return isThere && this.isKnown && this.failedAt === undefined;
  }

  async close(): Promise<void> {
    await this.key?.close();
  }
}
