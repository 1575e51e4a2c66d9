import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { decideRenewal, type RenewalInput } from '../../../src/client/renewal.js';
import { makeAuthority, newKey, type TestAuthority } from '../../support/test-ca.js';

const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const NOTHING = { cert: undefined, chain: undefined, fullchain: undefined };
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
      ...more,
    }).isDue;
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

  it('is due without a certificate', () => {
    const files = { cert: 'c', chain: undefined, fullchain: undefined };
    const input = { installed: NOTHING, files, privateKey, identifiers: NAMES, now: START };
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
    const all = { cert: [leaf], chain: [issuer], fullchain: [leaf, issuer] };
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
