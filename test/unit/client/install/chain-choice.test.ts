import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { CertificateError, type Chain } from '../../../../src/client/install/certificate-chain.js';
import { chooseChain } from '../../../../src/client/install/chain-choice.js';
import { makeAuthority, newKey, type TestAuthority } from '../../../support/client/test-ca.js';

const NAMES = [{ type: 'dns', value: 'a.test' }] as const;
const OTHER = [{ type: 'dns', value: 'b.test' }] as const;

interface Chosen {
  readonly chain: Chain;
  readonly reports: readonly string[];
  /** How many chains were fetched. */
  readonly fetched: number;
}

describe('chooseChain', () => {
  const key: KeyObject = newKey();
  let old: TestAuthority;
  let young: TestAuthority;
  let issuer: TestAuthority;
  let leaf: string;
  let wrong: string;

  before(async () => {
    old = await makeAuthority('old root');
    young = await makeAuthority('young root');
    issuer = await young.subordinate('issuer');
    leaf = await issuer.issue(createPublicKey(key), { names: NAMES });
    wrong = await issuer.issue(createPublicKey(key), { names: OTHER });
  });

  async function choose(chains: readonly string[], preferred?: string): Promise<Chosen> {
    const reports: string[] = [];
    let fetched = 0;
    async function* fetch(): AsyncGenerator<string, void> {
      for (const chain of chains) {
        fetched += 1;
        yield await Promise.resolve(chain);
      }
    }
    const expected = {
      privateKey: key,
      identifiers: NAMES,
      now: Date.now(),
      authorities: undefined,
    };
    const report = (line: string): void => {
      reports.push(line);
    };
    const chain = await chooseChain(fetch(), { expected, preferred, report });
    return { chain, reports, fetched };
  }

  async function failureOf(chains: readonly string[]): Promise<CertificateError> {
    try {
      await choose(chains);
    } catch (error) {
      assert.ok(error instanceof CertificateError);
      return error;
    }
    return assert.fail('a chain was chosen');
  }

  it("takes the server's own choice, and fetches no other", async () => {
    const { chain, fetched } = await choose([leaf + issuer.pem, leaf]);
    assert.deepEqual([chain.length, fetched], [2, 1]);
  });

  it('takes the next where the first cannot be used', async () => {
    const { chain, fetched } = await choose([wrong + issuer.pem, leaf]);
    assert.deepEqual([chain.length, fetched], [1, 2]);
  });

  it('takes the chain that leads where it is wished', async () => {
    const cross = leaf + issuer.pem + (await old.certify(young));
    const { chain, reports } = await choose([leaf + issuer.pem, cross, leaf], 'old root');
    assert.deepEqual([chain.length, reports], [3, []]);
    assert.equal((await choose([cross, leaf + issuer.pem], 'young root')).chain.length, 3);
    const whole = leaf + issuer.pem + young.pem;
    assert.equal((await choose([cross, whole], 'issuer')).chain.length, 3);
    assert.equal((await choose([whole, leaf], 'issuer')).chain.length, 1);
  });

  it('takes the first that can be used where none leads there, and reports it', async () => {
    const { chain, reports } = await choose([wrong, leaf + issuer.pem, leaf], 'no\u0007body');
    assert.equal(chain.length, 2);
    assert.deepEqual(reports, [
      'no chain that can be used leads to "no\\\\u0007body"; the first of the others is taken',
    ]);
  });

  it('fails with what is wrong with the first, and counts the others', async () => {
    const one = await failureOf([wrong]);
    assert.equal(one.problem, 'the certificate is for other names than requested: b.test');
    assert.equal(one.message, `certificate: ${one.problem}`);
    assert.match((await failureOf([wrong, 'x'])).problem, /; nor can 1 other chain be used$/);
    assert.match(
      (await failureOf(['x', wrong, wrong])).problem,
      /; nor can 2 other chains be used$/,
    );
    assert.equal((await failureOf([])).problem, 'the server sent no chain');
  });
});
