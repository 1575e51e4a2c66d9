// Which PIN is sent: the proven one while its source is as it was, else one that is read anew; and
// that a PIN which is of no use any more is wiped.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GONE } from '../../../../src/keys/pin/pin-identity.js';
import { PinKeeper, type TokenPinSource } from '../../../../src/keys/pin/pin-keeper.js';
import { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';

interface Source extends TokenPinSource {
  identity: string;
  reads: number;
}

function makeSource(bytes: Buffer = Buffer.from('4711')): Source {
  return {
    name: 'file:/pin',
    mayAsk: false,
    identity: 'first',
    reads: 0,
    identify() {
      return this.identity;
    },
    read() {
      this.reads += 1;
      return Promise.resolve(new Secret(Buffer.from(bytes)));
    },
  };
}

function isWiped(secret: Secret): boolean {
  return secret.use((bytes) => bytes.every((byte) => byte === 0));
}

describe('a PIN', () => {
  it('is read with the identity of its source, and read anew until it is proven', async () => {
    const source = makeSource();
    const keeper = new PinKeeper(source);
    const pin = await keeper.pinOf(TOKEN_INFO);
    assert.equal(pin.identity, 'first');
    assert.equal(
      pin.secret.use((bytes) => bytes.toString()),
      '4711',
    );
    assert.equal(keeper.proven, undefined);
    assert.notEqual(await keeper.pinOf(TOKEN_INFO), pin);
    assert.equal(source.reads, 2);
  });

  it('that is proven is kept while its source is the same, and when the source is gone', async () => {
    const source = makeSource();
    const keeper = new PinKeeper(source);
    const pin = await keeper.pinOf(TOKEN_INFO);
    keeper.keep(pin);
    assert.equal(keeper.proven, pin);
    for (const identity of ['first', GONE]) {
      source.identity = identity;
      assert.equal(await keeper.pinOf(TOKEN_INFO), pin);
    }
    assert.equal(source.reads, 1);
  });

  it('that is proven is wiped when its source has changed', async () => {
    const source = makeSource();
    const keeper = new PinKeeper(source);
    const pin = await keeper.pinOf(TOKEN_INFO);
    keeper.keep(pin);
    source.identity = 'second';
    assert.equal((await keeper.pinOf(TOKEN_INFO)).identity, 'second');
    assert.equal(keeper.proven, undefined);
    assert.ok(isWiped(pin.secret));
  });

  it('is refused when its source changes while it is read', async () => {
    const source = makeSource();
    source.read = () => {
      source.identity = 'second';
      return Promise.resolve(Secret.fromText('4711'));
    };
    const error = await appErrorOf(() => new PinKeeper(source).pinOf(TOKEN_INFO), 'KEY_PIN');
    assert.equal(error.message, 'PIN: file:/pin changed while it was read');
  });

  it('is refused when it is not UTF-8', async () => {
    const keeper = new PinKeeper(makeSource(Buffer.from([0x31, 0xe9])));
    const error = await appErrorOf(() => keeper.pinOf(TOKEN_INFO), 'KEY_PIN');
    assert.equal(error.message, 'PIN: file:/pin is not UTF-8, and no token takes that');
  });

  it('is wiped unless it is proven, and then when it is forgotten', async () => {
    const keeper = new PinKeeper(makeSource());
    const [kept, other] = [await keeper.pinOf(TOKEN_INFO), await keeper.pinOf(TOKEN_INFO)];
    keeper.keep(kept);
    keeper.wipeUnlessProven(undefined);
    keeper.wipeUnlessProven(kept);
    keeper.wipeUnlessProven(other);
    assert.deepEqual([isWiped(kept.secret), isWiped(other.secret)], [false, true]);
    keeper.forget();
    assert.ok(isWiped(kept.secret));
    assert.equal(keeper.proven, undefined);
    keeper.forget();
  });
});
