// Runs in the daemon: one account key that several tokens hold. The first that works signs; the
// next one takes over when it is away, locked or out of order, and hands back once it is well
// again. All must hold the same key: which is checked as each one becomes available, before it
// signs.

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

/**
 * How long a place is left alone after a failure, before it is looked at again beside the others.
 */
const PAUSE_MS = 10_000;
/**
 * How long a start waits for the other places once one is open: what is wrong with them shows then.
 */
const START_GRACE_MS = 5_000;

export interface FailoverKeyOptions {
  readonly places: readonly KeySource[];
  readonly log: KeyLog;
  readonly timers: Timers;
}

/**
 * Opens a key at several places at once; one that works is enough, the others follow when they can.
 * @throws AppError KEY_MISMATCH when two places hold different keys; what opening threw where that
 *   is no trouble that may pass, or where no place can be opened
 */
export async function openFailoverKey(options: FailoverKeyOptions): Promise<AccountKey> {
  const places = options.places.map((place) => new KeyReplica(place));
  const opening = places.map((place) => openPlace(place, options));
  try {
    await Promise.race([
      Promise.all(opening),
      firstOf(opening).then(() => waitForOthers(options.timers)),
    ]);
    const open = places.filter(({ key }) => key !== undefined);
    const reference = open[0]?.key;
    if (reference === undefined) {
      throw places[0]?.failure ?? new AppError('TOKEN_ABSENT', 'account key: at no place');
    }
    for (const place of open) {
      assertSameKey(reference, place);
    }
    const failover = new FailoverKey(reference, places, options);
    for (const [at, place] of places.entries()) {
      // One that was slower than the start.
      void opening[at]?.then((isOpen) => (isOpen ? failover.look(place) : undefined), ignore);
    }
    return failover;
  } catch (error) {
    // One that is slow is closed when it comes.
    for (const [at, place] of places.entries()) {
      void opening[at]?.then(() => place.close(), ignore);
    }
    throw error;
  }
}

/** True when it is open; false for a trouble that may pass. @throws any other trouble */
async function openPlace(place: KeyReplica, { timers, log }: FailoverKeyOptions): Promise<boolean> {
  try {
    await place.wake();
    return true;
  } catch (error) {
    if (!mayPass(error)) {
      throw error;
    }
    place.fail(error, timers.now());
    log('error', `${place.description}: ${printable(messageOf(error))}`);
    return false;
  }
}

/** Settles when a place is open; never where none can be. */
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
  // It has been told of already, or is of no interest any more.
}

/** Checks an open place, once. @throws AppError KEY_MISMATCH */
function assertSameKey(reference: AccountKey, place: KeyReplica): void {
  if (place.key === undefined || place.holds === 'same') {
    return;
  }
  place.holds = jwkThumbprint(reference.jwk) === jwkThumbprint(place.key.jwk) ? 'same' : 'foreign';
  if (place.holds === 'foreign') {
    throw new AppError(
      'KEY_MISMATCH',
      `privkey: ${printable(reference.description)} and ${printable(place.description)} hold different keys`,
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
  readonly #places: readonly KeyReplica[];
  readonly #options: FailoverKeyOptions;
  #current: KeyReplica | undefined;
  #closed = false;

  constructor(reference: AccountKey, places: readonly KeyReplica[], options: FailoverKeyOptions) {
    this.#reference = reference;
    this.#places = places;
    this.#options = options;
    this.algorithm = reference.algorithm;
    this.jwk = reference.jwk;
    this.publicKey = reference.publicKey;
    this.description = places.map(({ description }) => description).join(', ');
  }

  async sign(input: Buffer, signContext?: SignContext): Promise<KeySignature> {
    this.#wakeOthers();
    const usable = this.#places.filter((place) => place.isUsable);
    // Where none is known to work, each is asked: it says best itself what is wrong with it.
    const candidates = usable.length > 0 ? usable : this.#places.filter((place) => place.isKnown);
    let failure: Error | undefined;
    for (const place of candidates) {
      try {
        return await this.#signAt(place, input, signContext);
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(messageOf(error));
        if (!this.#moveOn(place, error)) {
          throw error;
        }
      }
    }
    throw failure ?? new AppError('TOKEN_ABSENT', 'account key: at none of its places');
  }

  cancel(client: Client): void {
    for (const { key } of this.#places) {
      key?.cancel(client);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#places.map((place) => place.close()));
  }

  async #signAt(
    place: KeyReplica,
    input: Buffer,
    signContext: SignContext | undefined,
  ): Promise<KeySignature> {
    const key = place.key ?? this.#reference;
    const signature = await key.sign(input, signContext);
    place.failedAt = undefined;
    if (this.#current !== place) {
      this.#current = place;
      this.#options.log('notice', `signing with ${place.description}`);
    }
    return signature;
  }

  /** True when another place may be asked. */
  #moveOn(place: KeyReplica, error: unknown): boolean {
    if (isAppError(error, 'KEY_CANCELLED')) {
      return false;
    }
    if (place.failedAt === undefined) {
      const told = printable(messageOf(error));
      this.#options.log('warning', `${place.description}: ${told}; the next place is asked`);
    }
    place.fail(error, this.#options.timers.now());
    // Who sent it has waited for as long as one may, unless nobody has seen it yet.
    return error instanceof UnsentError || !isAppError(error, 'TOKEN_TIMEOUT');
  }

  /** Has those that failed a while ago looked at, while others sign. */
  #wakeOthers(): void {
    const now = this.#options.timers.now();
    for (const place of this.#places) {
      const { failedAt, holds, isWaking } = place;
      if (
        failedAt !== undefined &&
        now - failedAt >= PAUSE_MS &&
        holds !== 'foreign' &&
        !isWaking
      ) {
        void this.look(place);
      }
    }
  }

  /** Looks whether a place works, and holds the one key. Never rejects. */
  async look(place: KeyReplica): Promise<void> {
    place.isWaking = true;
    try {
      await place.wake();
      assertSameKey(this.#reference, place);
      place.failedAt = undefined;
    } catch (error) {
      if (isAppError(error, 'KEY_MISMATCH')) {
        this.#options.log('error', `${error.message}; the second is not used`);
      }
      place.fail(error, this.#options.timers.now());
    }
    place.isWaking = false;
    if (this.#closed) {
      await place.close();
    }
  }
}
