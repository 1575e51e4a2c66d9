import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import {
  formatCertificates,
  identifiersOf,
  parseChain,
} from '../../../../src/client/install/certificate-chain.js';
import {
  makeAuthority,
  newKey,
  type LeafOptions,
  type TestAuthority,
} from '../../../support/client/test-ca.js';

describe('parseChain', () => {
  let root: TestAuthority;
  let leaf: string;

  before(async () => {
    root = await makeAuthority('root');
    leaf = await root.issue(createPublicKey(newKey()), {
      names: [{ type: 'dns', value: 'a.test' }],
    });
  });

  it('reads certificates, and writes them again as they were', () => {
    const chain = parseChain(leaf + root.pem);
    assert.equal(chain.length, 2);
    assert.equal(formatCertificates(chain), leaf + root.pem);
  });

  it('takes CRLF and blank lines', () => {
    assert.equal(parseChain(`\r\n${leaf.replaceAll('\n', '\r\n')}\n\n${root.pem}`).length, 2);
  });

  it('refuses whatever else is in the text', () => {
    for (const text of [
      '',
      'hello',
      `hello\n${leaf}`,
      `${leaf}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`,
      leaf.slice(0, -5),
      leaf.replace('BEGIN CERTIFICATE', 'BEGIN TRUSTED CERTIFICATE'),
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      leaf.repeat(11),
    ]) {
      assert.throws(() => parseChain(text), { code: 'CLIENT_CERTIFICATE' }, text.slice(0, 60));
    }
  });
});

describe('identifiersOf', () => {
  async function read(names: LeafOptions['names']): Promise<unknown> {
    const root = await makeAuthority('root');
    const pem = await root.issue(createPublicKey(newKey()), { names });
    return identifiersOf(new X509Certificate(pem));
  }

  it('reads DNS names and IP addresses', async () => {
    const names = [
      { type: 'dns', value: 'a.test' },
      { type: 'ip', value: '192.0.2.1' },
      { type: 'ip', value: '2001:db8::1' },
    ] as const;
    assert.deepEqual(await read(names), names);
  });

  it('refuses other kinds of names', async () => {
    await assert.rejects(read([{ type: 'email', value: 'a@a.test' }]), {
      code: 'CLIENT_CERTIFICATE',
    });
  });

  it('does not take one odd name for two good ones', async () => {
    await assert.rejects(read([{ type: 'dns', value: 'a.test, DNS:b.test' }]), {
      code: 'CLIENT_CERTIFICATE',
    });
  });
});
