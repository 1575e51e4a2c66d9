import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseHttp01, keyAuthorization } from '../../../src/acme/challenge.js';
import type { Authorization } from '../../../src/acme/objects.js';

const DIRECTORY = new URL('https://ca.example/dir');
const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';

function authorization(token: string, url = 'https://ca.example/c/1'): Authorization {
  return {
    identifier: { type: 'dns', value: 'a.example' },
    status: 'pending',
    challenges: [
      { type: 'dns-01', url: 'https://ca.example/c/2', token: TOKEN },
      { type: 'http-01', url, token },
    ],
  };
}

describe('chooseHttp01', () => {
  it('takes the http-01 challenge', () => {
    const challenge = chooseHttp01(authorization(TOKEN), DIRECTORY);
    assert.deepEqual([challenge.token, challenge.url.pathname], [TOKEN, '/c/1']);
  });

  for (const token of [
    '',
    'short',
    `../../../../etc/cron.d/${TOKEN}`,
    `${TOKEN}/..`,
    `${TOKEN}\0`,
    `${TOKEN}\n`,
    `.${TOKEN}`,
    `${TOKEN}=`,
    `${TOKEN}%2e`,
    `${TOKEN} `,
    'a'.repeat(201),
    'ä'.repeat(30),
  ]) {
    it(`refuses the token ${JSON.stringify(token).slice(0, 50)}`, () => {
      assert.throws(() => chooseHttp01(authorization(token), DIRECTORY), { code: 'ACME_INVALID' });
    });
  }

  it('refuses a challenge URL that is not https', () => {
    assert.throws(() => chooseHttp01(authorization(TOKEN, 'http://ca.example/c'), DIRECTORY), {
      code: 'ACME_INVALID',
    });
  });

  it('tells what is offered when http-01 is not', () => {
    const offered = authorization(TOKEN);
    const withoutHttp = { ...offered, challenges: offered.challenges.slice(0, 1) };
    assert.throws(() => chooseHttp01(withoutHttp, DIRECTORY), {
      code: 'ACME_UNSUPPORTED',
      message: /a\.example.*dns-01/,
    });
  });
});

describe('keyAuthorization', () => {
  it('joins token and thumbprint, RFC 8555 §8.1', () => {
    assert.equal(keyAuthorization(TOKEN, 'thumb'), `${TOKEN}.thumb`);
  });
});
