// Runs in clavigerd and `clavigerd key`: one account key of which several tokens hold a replica.
// The first that works signs; while it is absent, locked or out of order, the next one does. Does
// not trust the configuration that all hold the same key: each is compared before it signs.

import { jwkThumbprint, type PublicJwk } from '../jose/public-jwk.js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { Timers } from '../lib/timers.js';
import {
  UnsentError,
  type AccountKey,
  type Client,
  type KeySignature,
  type SignContext,
} from './account-key.js';
import type { KeyLog } from './key-context.js';
import { KeyReplica, type KeySource } from './key-replica.js';
import { mayPass } from './token-trouble.js';

/** How long a replica is not used after a failure, before it is tried again beside the others. */
const PAUSE_MS = 10_000;
/**
 * How long a start waits for the other replicas once one is open, so that an error of theirs is
 * logged at the start.
 */
const START_GRACE_MS = 5_000;

interface FailoverKeyOptions {
  readonly replicas: readonly KeySource[];
  readonly log: KeyLog;
  readonly timers: Timers;
}

/**
 * Opens all replicas at once. One that works is enough; the others are used as soon as they open.
 * @throws AppError KEY_MISMATCH when two replicas hold different keys; what opening threw, where
 *   waiting does not help against it, or where no replica can be opened
 */
export async function openFailoverKey(options: FailoverKeyOptions): Promise<AccountKey> {
  const replicas = options.replicas.map((replica) => new KeyReplica(replica));
  const opening = replicas.map((replica) => openReplica(replica, options));
  try {
    await Promise.race([
      Promise.all(opening),
      firstOf(opening).then(() => waitForOthers(options.timers)),
    ]);
    const open = replicas.filter(({ key }) => key !== undefined);
    const reference = open[0]?.key;
    if (reference === undefined) {
      throw replicas[0]?.failure ?? new AppError('TOKEN_ABSENT', 'account key: at no place');
    }
    for (const replica of open) {
      assertSameKey(reference, replica);
    }
    const failover = new FailoverKey(reference, replicas, options);
    for (const [at, replica] of replicas.entries()) {
      // For a replica that opens later than the start.
      void opening[at]?.then((isOpen) => (isOpen ? failover.tryAgain(replica) : undefined), ignore);
    }
    return failover;
  } catch (error) {
    // Those that open later are closed then.
    for (const [at, replica] of replicas.entries()) {
      void opening[at]?.then(() => replica.close(), ignore);
    }
    throw error;
  }
}

/** True when it is open; false for an error that may pass. @throws any other error */
async function openReplica(
  replica: KeyReplica,
  { timers, log }: FailoverKeyOptions,
): Promise<boolean> {
  try {
    await replica.wake();
    return true;
  } catch (error) {
    if (!mayPass(error)) {
      throw error;
    }
    replica.fail(error, timers.now());
    log('error', `${replica.description}: ${printable(messageOf(error))}`);
    return false;
  }
}

/** Resolves when a replica is open; pending forever where none opens. */
function firstOf(opening: readonly Promise<boolean>[]): Promise<void> {
  return new Promise((resolve, reject) => {
    for (const opened of opening) {
      opened.then((isOpen) => {
        if (isOpen) {
          resolve();
        }
      }, reject);
    }
  });
}

function waitForOthers(timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.after(START_GRACE_MS, resolve, false);
  });
}

function ignore(): void {
  // It has been logged or thrown already.
}

/** Compares the key of an open replica, once. @throws AppError KEY_MISMATCH */
function assertSameKey(reference: AccountKey, replica: KeyReplica): void {
  if (replica.key === undefined || replica.holds === 'same') {
    return;
  }
  replica.holds =
    jwkThumbprint(reference.jwk) === jwkThumbprint(replica.key.jwk) ? 'same' : 'foreign';
  if (replica.holds === 'foreign') {
    throw new AppError(
      'KEY_MISMATCH',
      `privkey: ${printable(reference.description)} and ${printable(replica.description)} hold different keys`,
      {
        hint: 'all keys of the list must be copies of one: `clavigerd key show` prints the thumbprint',
      },
    );
  }
}

class FailoverKey implements AccountKey {
  readonly algorithm: AccountKey['algorithm'];
  readonly jwk: PublicJwk;
  readonly publicKey: AccountKey['publicKey'];
  readonly description: string;
  readonly #reference: AccountKey;
  readonly #replicas: readonly KeyReplica[];
  readonly #options: FailoverKeyOptions;
  #current: KeyReplica | undefined;
  #closed = false;

  constructor(reference: AccountKey, replicas: readonly KeyReplica[], options: FailoverKeyOptions) {
    this.#reference = reference;
    this.#replicas = replicas;
    this.#options = options;
    this.algorithm = reference.algorithm;
    this.jwk = reference.jwk;
    this.publicKey = reference.publicKey;
    this.description = replicas.map(({ description }) => description).join(', ');
  }

  async sign(input: Buffer, signContext?: SignContext): Promise<KeySignature> {
    this.#wakeOthers();
    const usable = this.#replicas.filter((replica) => replica.isUsable);
    // Where none is known to work, each is tried: its own error is the most precise one.
    const candidates =
      usable.length > 0 ? usable : this.#replicas.filter((replica) => replica.isKnown);
    let failure: Error | undefined;
    for (const replica of candidates) {
      try {
        return await this.#signAt(replica, input, signContext);
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(messageOf(error));
        if (!this.#moveOn(replica, error)) {
          throw error;
        }
      }
    }
    throw failure ?? new AppError('TOKEN_ABSENT', 'account key: at none of its places');
  }

  cancel(client: Client): void {
    for (const { key } of this.#replicas) {
      key?.cancel(client);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#replicas.map((replica) => replica.close()));
  }

  async #signAt(
    replica: KeyReplica,
    input: Buffer,
    signContext: SignContext | undefined,
  ): Promise<KeySignature> {
    const key = replica.key ?? this.#reference;
    const signature = await key.sign(input, signContext);
    replica.failedAt = undefined;
    if (this.#current !== replica) {
      this.#current = replica;
      this.#options.log('notice', `signing with ${replica.description}`);
    }
    return signature;
  }

  /** True when another replica may be tried. */
  #moveOn(replica: KeyReplica, error: unknown): boolean {
    if (isAppError(error, 'KEY_CANCELLED')) {
      return false;
    }
    if (replica.failedAt === undefined) {
      const reason = printable(messageOf(error));
      this.#options.log('warning', `${replica.description}: ${reason}; the next place is asked`);
    }
    replica.fail(error, this.#options.timers.now());
    // The client has waited for the sign timeout already, unless the request was never sent.
    return error instanceof UnsentError || !isAppError(error, 'TOKEN_TIMEOUT');
  }

  /** Tries those again that failed a while ago, while others sign. */
  #wakeOthers(): void {
    const now = this.#options.timers.now();
    for (const replica of this.#replicas) {
      const { failedAt, holds, isWaking } = replica;
      if (
        failedAt !== undefined &&
        now - failedAt >= PAUSE_MS &&
        holds !== 'foreign' &&
        !isWaking
      ) {
        void this.tryAgain(replica);
      }
    }
  }

  /** Wakes a replica and compares its key. Never rejects. */
  async tryAgain(replica: KeyReplica): Promise<void> {
    replica.isWaking = true;
    try {
      await replica.wake();
      assertSameKey(this.#reference, replica);
      replica.failedAt = undefined;
    } catch (error) {
      if (isAppError(error, 'KEY_MISMATCH')) {
        this.#options.log('error', `${error.message}; the second is not used`);
      }
      replica.fail(error, this.#options.timers.now());
    }
    replica.isWaking = false;
    if (this.#closed) {
      await replica.close();
    }
  }
}
