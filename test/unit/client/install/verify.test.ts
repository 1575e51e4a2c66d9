import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { parseChain } from '../../../../src/client/install/certificate-chain.js';
import { assertChain } from '../../../../src/client/install/verify.js';
import {
  makeAuthority,
  newKey,
  type LeafOptions,
  type TestAuthority,
} from '../../../support/client/test-ca.js';

const NAMES = [
  { type: 'dns', value: 'a.test' },
  { type: 'dns', value: 'b.test' },
] as const;
const DAY_MS = 86_400_000;

describe('assertChain', () => {
  const key: KeyObject = newKey();
  const now = Date.now();
  let root: TestAuthority;
  let other: TestAuthority;
  let issuer: TestAuthority;

  before(async () => {
    root = await makeAuthority('root');
    other = await makeAuthority('other root');
    issuer = await root.subordinate('issuer');
  });

  async function leaf(
    options: Partial<LeafOptions> = {},
    publicKey = createPublicKey(key),
  ): Promise<string> {
    return await issuer.issue(publicKey, { names: NAMES, ...options });
  }

  function verify(pem: string, authority?: string): void {
    assertChain(parseChain(pem), {
      privateKey: key,
      identifiers: NAMES,
      now,
      authorities: authority === undefined ? undefined : [new X509Certificate(authority)],
    });
  }

  it('takes a right chain, with and without known authorities', async () => {
    const pem = (await leaf()) + issuer.pem;
    verify(pem);
    verify(pem, root.pem);
    verify(pem + root.pem, root.pem);
    verify(pem, issuer.pem);
  });

  it('takes names in another order, and a leaf without extended key usage', async () => {
    verify((await leaf({ names: [...NAMES].reverse(), usage: null })) + issuer.pem);
  });

  it('takes a start of validity a few seconds ahead of this clock', async () => {
    verify((await leaf({ notBefore: now + 5_000 })) + issuer.pem);
  });

  const wrong: readonly (readonly [string, RegExp, () => Promise<string>, string?])[] = [
    [
      'another key',
      /another key/,
      async () => (await leaf({}, createPublicKey(newKey()))) + issuer.pem,
    ],
    [
      'a name missing',
      /other names/,
      async () => (await leaf({ names: NAMES.slice(0, 1) })) + issuer.pem,
    ],
    [
      'a name too many',
      /other names/,
      async () =>
        (await leaf({ names: [...NAMES, { type: 'dns', value: 'evil.test' }] })) + issuer.pem,
    ],
    [
      'an end in the past',
      /expired/,
      async () => (await leaf({ notAfter: now - 1000, notBefore: now - DAY_MS })) + issuer.pem,
    ],
    [
      'a start in the future',
      /not valid before/,
      async () => (await leaf({ notBefore: now + DAY_MS })) + issuer.pem,
    ],
    [
      'an authority as the leaf',
      /authority/,
      async () => (await leaf({ isAuthority: true })) + issuer.pem,
    ],
    [
      'another purpose',
      /not for servers/,
      async () => (await leaf({ usage: '1.3.6.1.5.5.7.3.2' })) + issuer.pem,
    ],
    ['a link missing', /not issued by/, async () => (await leaf()) + root.pem],
    [
      'a foreign certificate in it',
      /not issued by/,
      async () => (await leaf()) + issuer.pem + other.pem,
    ],
  ];
  for (const [name, message, make] of wrong) {
    it(`refuses a chain with ${name}`, async () => {
      const pem = await make();
      assert.throws(
        () => {
          verify(pem);
        },
        { code: 'CLIENT_CERTIFICATE', message },
      );
    });
  }

  it('refuses a chain that ends elsewhere than in the known authorities', async () => {
    const pem = (await leaf()) + issuer.pem;
    assert.throws(
      () => {
        verify(pem, other.pem);
      },
      {
        code: 'CLIENT_CERTIFICATE',
        message: /none of the authorities/,
      },
    );
  });

  it('takes a chain that goes on to an older root than the one it knows', async () => {
    const old = await makeAuthority('old root');
    const cross = await old.certify(root);
    const pem = (await leaf()) + issuer.pem + cross;
    verify(pem, root.pem);
    verify(pem, old.pem);
    assert.throws(
      () => {
        verify(pem, other.pem);
      },
      { code: 'CLIENT_CERTIFICATE', message: /none of the authorities/ },
    );
    // What follows the known authority must be linked all the same.
    assert.throws(
      () => {
        verify(pem + other.pem, root.pem);
      },
      { code: 'CLIENT_CERTIFICATE', message: /not issued by/ },
    );
  });

  it('is not fooled by an authority of the same name', async () => {
    const twin = await (await makeAuthority('root')).subordinate('issuer');
    const pem = (await leaf()) + twin.pem;
    assert.throws(
      () => {
        verify(pem);
      },
      { code: 'CLIENT_CERTIFICATE', message: /not issued by/ },
    );
  });
});
