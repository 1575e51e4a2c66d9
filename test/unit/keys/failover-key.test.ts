// One account key at several places: who signs, who takes over, who is never asked. The places are
// keys of this process that fail on command.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import {
  UnsentError,
  type AccountKey,
  type TokenAccountKey,
} from '../../../src/keys/account-key.js';
import { openFailoverKey } from '../../../src/keys/failover-key.js';
import type { KeySource } from '../../../src/keys/key-replica.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { AppError } from '../../../src/lib/errors.js';
import { appErrorOf } from '../../support/app-error.js';
import { clientOf } from '../../support/daemon/clients.js';
import { ManualTimers } from '../../support/manual-timers.js';
import { accountKeyOf, makeKey, signatureOf, type TestKey } from '../../support/keys/keys.js';

const INPUT = Buffer.from('protected.payload');
const KEY = makeKey('ES256');

/** A place whose token can be taken away. */
class FakePlace implements KeySource {
  readonly description: string;
  readonly #key: TestKey;
  trouble: AppError | undefined;
  isAvailable = true;
  opened = 0;
  signed = 0;
  closed = 0;
  woken = 0;
  #opening: Promise<void> = Promise.resolve();
  cancelled = 0;
  rejected = 0;

  constructor(description: string, key = KEY) {
    this.description = description;
    this.#key = key;
  }

  /** Its opening takes until `release`. */
  holdOpening(): { release: () => void } {
    let release = (): void => undefined;
    this.#opening = new Promise((resolve) => {
      release = resolve;
    });
    return { release };
  }

  readonly open = async (): Promise<TokenAccountKey> => {
    await this.#opening;
    if (this.trouble !== undefined) {
      throw this.trouble;
    }
    this.opened += 1;
    const key = accountKeyOf(this.#key);
    const isAvailable = (): boolean => this.isAvailable;
    return {
      ...key,
      description: this.description,
      get isAvailable(): boolean {
        return isAvailable();
      },
      wake: () => {
        this.woken += 1;
        return this.trouble === undefined ? Promise.resolve() : Promise.reject(this.trouble);
      },
      sign: async (input: Buffer) => {
        if (this.trouble !== undefined) {
          throw this.trouble;
        }
        this.signed += 1;
        const { bytes } = await key.sign(input);
        return signatureOf(bytes, () => {
          this.rejected += 1;
        });
      },
      cancel: () => {
        this.cancelled += 1;
      },
      close: () => {
        this.closed += 1;
        return Promise.resolve();
      },
    };
  };
}

interface Fixture {
  readonly one: FakePlace;
  readonly two: FakePlace;
  readonly timers: ManualTimers;
  readonly messages: string[];
  readonly open: () => Promise<AccountKey>;
}

function makeFixture(second = KEY): Fixture {
  const [one, two] = [new FakePlace('one'), new FakePlace('two', second)];
  const timers = new ManualTimers();
  const messages: string[] = [];
  return {
    one,
    two,
    timers,
    messages,
    open: () =>
      openFailoverKey({
        replicas: [one, two],
        timers,
        log: (level, message) => {
          messages.push(`${level} ${message}`);
        },
      }),
  };
}

function trouble(code: ErrorCode): AppError {
  return new AppError(code, `token: ${code}`);
}

describe('key at several places', () => {
  it('signs at the first, as long as it works', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    for (let count = 0; count < 3; count++) {
      assert.ok(verifySignature('ES256', key.publicKey, INPUT, (await key.sign(INPUT)).bytes));
    }
    assert.deepEqual([one.signed, two.signed], [3, 0]);
    await key.close();
    assert.deepEqual([one.closed, two.closed], [1, 1]);
  });

  for (const code of [
    'TOKEN_ABSENT',
    'TOKEN_FAILED',
    'KEY_PIN_HELD',
    'TOKEN_KEY_NOT_FOUND',
  ] as const) {
    it(`moves on after ${code}, with the request in hand, and hands back later`, async () => {
      const { one, two, timers, messages, open } = makeFixture();
      const key = await open();
      await key.sign(INPUT);
      one.trouble = trouble(code);
      await key.sign(INPUT);
      await key.sign(INPUT);
      assert.deepEqual([one.signed, two.signed], [1, 2]);
      assert.equal(messages.filter((text) => text.includes('the next place is asked')).length, 1);
      one.trouble = undefined;
      await key.sign(INPUT);
      assert.equal(two.signed, 3, 'it is left alone for a while');
      await timers.advance(10_000);
      await key.sign(INPUT);
      await turn();
      await key.sign(INPUT);
      assert.equal(one.signed, 2);
    });
  }

  it('does not ask one that says that it cannot sign', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    one.isAvailable = false;
    await key.sign(INPUT);
    assert.deepEqual([one.signed, two.signed], [0, 1]);
  });

  it('lets a request whose time is up fail, and the next ones go elsewhere', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    one.trouble = trouble('TOKEN_TIMEOUT');
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_TIMEOUT');
    await key.sign(INPUT);
    assert.equal(two.signed, 1);
    two.trouble = new UnsentError(trouble('TOKEN_TIMEOUT'));
    one.trouble = undefined;
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_TIMEOUT');
  });

  it('moves on with a request that the token has not seen, whatever the reason', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    one.trouble = new UnsentError(trouble('TOKEN_TIMEOUT'));
    await key.sign(INPUT);
    assert.equal(two.signed, 1);
  });

  it('throws the first error when all fail, and tries all again at the next request', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    one.trouble = trouble('TOKEN_ABSENT');
    two.trouble = trouble('TOKEN_FAILED');
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_ABSENT');
    two.trouble = undefined;
    await key.sign(INPUT);
    assert.equal(two.signed, 1);
  });

  it('does not ask elsewhere for a client that is gone', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    one.trouble = trouble('KEY_CANCELLED');
    await appErrorOf(() => key.sign(INPUT), 'KEY_CANCELLED');
    assert.equal(two.signed, 0);
  });

  it('opens when one works, and takes the other in when it comes', async () => {
    const { one, two, timers, open } = makeFixture();
    one.trouble = trouble('TOKEN_NOT_FOUND');
    const key = await open();
    await key.sign(INPUT);
    one.trouble = undefined;
    await timers.advance(10_000);
    await key.sign(INPUT);
    await turn();
    await key.sign(INPUT);
    assert.deepEqual([one.opened, one.signed, two.signed], [1, 1, 2]);
  });

  it('is refused when two places hold different keys', async () => {
    const { one, two, open } = makeFixture(makeKey('ES256'));
    const error = await appErrorOf(open, 'KEY_MISMATCH');
    assert.match(error.message, /one and two hold different keys/);
    await turn();
    assert.deepEqual([one.closed, two.closed], [1, 1]);
  });

  it('never asks a place that turns up later with another key', async () => {
    const { one, two, timers, messages, open } = makeFixture(makeKey('ES256'));
    two.trouble = trouble('TOKEN_NOT_FOUND');
    const key = await open();
    two.trouble = undefined;
    await timers.advance(10_000);
    await key.sign(INPUT);
    await turn();
    assert.ok(
      messages.some((text) => /^error .*hold different keys; the second is not used/.test(text)),
    );
    one.trouble = trouble('TOKEN_ABSENT');
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_ABSENT');
    assert.equal(two.signed, 0);
  });

  it('is refused when none can be opened, or a setting cannot work', async () => {
    const { one, two, open } = makeFixture();
    one.trouble = trouble('TOKEN_ABSENT');
    two.trouble = trouble('TOKEN_FAILED');
    await appErrorOf(open, 'TOKEN_ABSENT');
    one.trouble = undefined;
    two.trouble = trouble('TOKEN_MODULE');
    await appErrorOf(open, 'TOKEN_MODULE');
  });

  it('passes the rejection of a signature to the place that made it', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    (await key.sign(INPUT)).reject();
    assert.deepEqual([one.rejected, two.rejected], [1, 0]);
  });

  it('has every place drop the requests of a client that is gone', async () => {
    const { one, two, open } = makeFixture();
    const key = await open();
    key.cancel(clientOf('1'));
    assert.deepEqual([one.cancelled, two.cancelled], [1, 1]);
  });

  it('offers what its first key offers, and names all places', async () => {
    const { open } = makeFixture();
    const key = await open();
    assert.deepEqual([key.algorithm, key.description], ['ES256', 'one, two']);
    assert.deepEqual(key.jwk, jwkOfKey(KEY.publicKey));
    assert.equal(key.publicKey, KEY.publicKey);
  });

  it('logs where it signs when that changes, and not each time', async () => {
    const { one, messages, open } = makeFixture();
    const key = await open();
    await key.sign(INPUT);
    await key.sign(INPUT);
    one.isAvailable = false;
    await key.sign(INPUT);
    assert.deepEqual(messages, ['notice signing with one', 'notice signing with two']);
  });

  it('waits five seconds at its start for a place that is slow, and takes it in later', async () => {
    const { one, two, timers, open } = makeFixture();
    const { release } = two.holdOpening();
    let opened: AccountKey | undefined;
    const opening = open().then((key) => (opened = key));
    await timers.advance(4999);
    assert.equal(opened, undefined);
    await timers.advance(1);
    const key = await opening;
    one.isAvailable = false;
    assert.equal((await key.sign(INPUT)).bytes.length, 64, 'one is the only place that is known');
    release();
    await turn();
    await key.sign(INPUT);
    assert.equal(two.signed, 1);
  });

  it('does not wait where all places are open', async () => {
    const { one, two, open } = makeFixture();
    await open();
    assert.deepEqual([one.opened, two.opened], [1, 1]);
  });

  it('closes a place that is slow when it comes after all, where the start has failed', async () => {
    const { one, two, open } = makeFixture();
    const { release } = two.holdOpening();
    one.trouble = trouble('TOKEN_MODULE');
    await appErrorOf(open, 'TOKEN_MODULE');
    release();
    await turn();
    assert.equal(two.closed, 1);
  });

  it('looks at a failed place again after a pause, once at a time, and not when it is closed', async () => {
    const { one, two, timers, open } = makeFixture();
    const key = await open();
    await turn();
    one.trouble = trouble('TOKEN_ABSENT');
    one.woken = 0;
    await key.sign(INPUT);
    await timers.advance(9_999);
    await key.sign(INPUT);
    await turn();
    assert.equal(one.woken, 0);
    await timers.advance(1);
    await key.sign(INPUT);
    await key.sign(INPUT);
    await turn();
    assert.equal(one.woken, 1);
    await key.sign(INPUT);
    await turn();
    assert.equal(one.woken, 1, 'another pause');
    await timers.advance(10_000);
    one.trouble = undefined;
    const signing = key.sign(INPUT);
    await key.close();
    await signing;
    await turn();
    assert.equal(one.closed, 2, 'what woke up meanwhile is closed as well');
    assert.equal(two.closed, 1);
  });
});
