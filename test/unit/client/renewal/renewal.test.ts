import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import {
  decideRenewal,
  type RenewalDecision,
  type RenewalInput,
} from '../../../../src/client/renewal/renewal.js';
import {
  makeAuthority,
  newKey,
  pemOf,
  type TestAuthority,
} from '../../../support/client/test-ca.js';
import { makeKeyPair } from '../../../support/key-pair.js';

const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const NOTHING = { cert: undefined, chain: undefined, fullchain: undefined, damage: [] };
const NAMES = [{ type: 'dns', value: 'a.test' }] as const;

describe('decideRenewal', () => {
  const privateKey = newKey();
  let root: TestAuthority;

  before(async () => {
    root = await makeAuthority('root');
  });

  async function decide(
    days: number,
    age: number,
    more: Partial<RenewalInput> = {},
  ): Promise<boolean> {
    return (await decision(days, age, more)).isDue;
  }

  async function decision(
    days: number,
    age: number,
    more: Partial<RenewalInput> = {},
  ): Promise<RenewalDecision> {
    const pem = await root.issue(createPublicKey(privateKey), {
      names: NAMES,
      notBefore: START,
      notAfter: START + days * DAY_MS,
    });
    return decideRenewal({
      installed: { ...NOTHING, cert: [new X509Certificate(pem)] },
      files: { cert: 'c', chain: undefined, fullchain: undefined },
      privateKey,
      identifiers: NAMES,
      now: START + age * DAY_MS,
      intervalMs: 0,
      ...more,
    });
  }

  const cases: readonly (readonly [number, number, boolean])[] = [
    [90, 0, false],
    [90, 59.99, false],
    [90, 60, true],
    [90, 91, true],
    [47, 31, false],
    [47, 32, true],
    [10, 6.6, false],
    [10, 6.7, true],
    [6, 2.99, false],
    [6, 3, true],
    [1, 0.5, true],
  ];
  for (const [days, age, isDue] of cases) {
    it(`of ${days} days after ${age}: ${isDue ? 'due' : 'not due'}`, async () => {
      assert.equal(await decide(days, age), isDue);
    });
  }

  // What the next run would find too late is due now.
  for (const [days, age, hours, isDue] of [
    [1, 0.4998, 12, true],
    [1, 0.3, 12, true],
    [1, 0.2, 12, false],
    [1, 0.2, 24, false],
    [6, 2.4, 12, false],
    [6, 2.5, 12, true],
    [90, 59.4, 12, false],
    [90, 59.5, 12, true],
    [90, 53, 168, true],
  ] as const) {
    it(`of ${days} days after ${age}, run every ${hours} h: ${isDue ? 'due' : 'not due'}`, async () => {
      const found = await decision(days, age, { intervalMs: hours * 3_600_000 });
      assert.equal(found.isDue, isDue, found.reason);
      assert.equal(found.warning !== undefined, days === 1);
    });
  }

  it('says how often to run for a lifetime that is too short for the timer', async () => {
    const { warning } = await decision(1, 0, { intervalMs: 12 * 3_600_000 });
    assert.match(
      warning ?? '',
      /of 24 h are too short for a run every 12 h: .* every 6 h, .*renew-interval = 21600$/,
    );
    assert.equal((await decision(1, 0, { intervalMs: 6 * 3_600_000 })).warning, undefined);
  });

  it('does not say that it is due on a day on which it is not', async () => {
    const { reason } = await decision(90, 10, { intervalMs: 12 * 3_600_000 });
    assert.match(reason, /, due on 2026-03-01 12:00 UTC$/);
  });

  it('is due when it was revoked', async () => {
    const revoked = await decision(90, 1, { revokedAt: '2026-01-02T03:04:05.000Z' });
    assert.deepEqual(revoked, { isDue: true, reason: 'it was revoked on 2026-01-02' });
  });

  it('is due when a file is damaged, and is not called missing', async () => {
    const installed = { ...NOTHING, damage: ['/x.pem: its certificate is cut short'] };
    const { isDue, reason } = await decision(90, 1, { installed });
    assert.equal(isDue, true);
    assert.equal(reason, 'a file is damaged: /x.pem: its certificate is cut short');
  });

  it('is due for a key of another type, and the next key can still be read', async () => {
    const rsa = makeKeyPair('rsa', { modulusLength: 2048 }).privateKey;
    assert.equal(await decide(90, 1, { privateKey: rsa }), true);
    // OpenSSL's error of a comparison would be the next key's.
    assert.equal(createPrivateKey(pemOf(newKey())).asymmetricKeyType, 'ec');
  });

  it('is due without a certificate', () => {
    const files = { cert: 'c', chain: undefined, fullchain: undefined };
    const input = {
      installed: NOTHING,
      files,
      privateKey,
      identifiers: NAMES,
      now: START,
      intervalMs: 0,
    };
    assert.equal(decideRenewal(input).isDue, true);
  });

  it('is due when the key is gone or another one', async () => {
    assert.equal(await decide(90, 1, { privateKey: undefined }), true);
    assert.equal(await decide(90, 1, { privateKey: newKey() }), true);
  });

  it('is due when the names have changed', async () => {
    const identifiers = [...NAMES, { type: 'dns', value: 'b.test' }] as const;
    assert.equal(await decide(90, 1, { identifiers }), true);
  });

  it('is due for a certificate with names of a kind that is never asked for', async () => {
    const pem = await root.issue(createPublicKey(privateKey), {
      names: [{ type: 'email', value: 'a@a.test' }],
    });
    const installed = { ...NOTHING, cert: [new X509Certificate(pem)] };
    assert.equal(await decide(90, 1, { installed }), true);
  });

  it('is due when one of its files is missing or of another certificate', async () => {
    const publicKey = createPublicKey(privateKey);
    const dates = { notBefore: START, notAfter: START + 90 * DAY_MS };
    const make = async (): Promise<X509Certificate> =>
      new X509Certificate(await root.issue(publicKey, { names: NAMES, ...dates }));
    const [leaf, stale] = [await make(), await make()];
    const [issuer, other] = [root.pem, (await makeAuthority('other')).pem].map(
      (pem) => new X509Certificate(pem),
    );
    assert.ok(issuer !== undefined && other !== undefined);
    const files = { cert: 'c', chain: 'h', fullchain: 'f' };
    const all = { cert: [leaf], chain: [issuer], fullchain: [leaf, issuer], damage: [] };
    for (const [installed, isDue] of [
      [all, false],
      [{ ...all, chain: [] }, false],
      [{ ...all, cert: undefined }, true],
      [{ ...all, chain: undefined }, true],
      [{ ...all, chain: [other] }, true],
      [{ ...all, fullchain: undefined }, true],
      [{ ...all, fullchain: [] }, true],
      [{ ...all, fullchain: [stale, issuer] }, true],
    ] as const) {
      assert.equal(await decide(90, 1, { installed, files }), isDue, JSON.stringify(installed));
    }
  });
});
