import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  proveAuthorization,
  withdrawAnswer,
  type ChallengePublisher,
} from '../../../src/acme/authorization.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const AUTHZ = new URL(`${BASE}/authz/1`);
const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const FAILURE = { type: 'urn:ietf:params:acme:error:connection', detail: 'refused' };

function authorization(
  status: string,
  challenge: object = {},
  headers: Readonly<Record<string, string>> = {},
): ScriptedAnswer {
  const http01 = { type: 'http-01', url: `${BASE}/chall/1`, token: TOKEN, ...challenge };
  return {
    headers,
    body: { status, identifier: { type: 'dns', value: 'a.example' }, challenges: [http01] },
  };
}

interface Publisher extends ChallengePublisher {
  readonly published: string[];
  readonly withdrawn: string[];
}

function publisher(): Publisher {
  const published: string[] = [];
  const withdrawn: string[] = [];
  return {
    published,
    withdrawn,
    publishHttp01: (token) => {
      published.push(token);
      return Promise.resolve();
    },
    withdrawHttp01: (token) => {
      withdrawn.push(token);
      return Promise.resolve();
    },
  };
}

describe('proveAuthorization', () => {
  it('publishes the token, asks for the check, and waits until it is valid', async () => {
    const { session, http, reports } = scriptedSession({
      'authz/1': [authorization('pending'), authorization('pending'), authorization('valid')],
      'chall/1': [{ body: {} }],
    });
    const port = publisher();
    await proveAuthorization(session, AUTHZ, port);
    assert.deepEqual([port.published, port.withdrawn], [[TOKEN], []]);
    assert.deepEqual(http.paths, ['authz/1', 'chall/1', 'authz/1', 'authz/1']);
    assert.deepEqual(http.calls.find(({ path }) => path === 'chall/1')?.payload, {});
    assert.deepEqual(reports, [
      'a.example: answering the http-01 challenge, waiting for the server to check it',
      'a.example: authorized',
    ]);
  });

  it('publishes before it asks for the check', async () => {
    const { session, http } = scriptedSession({
      'authz/1': [authorization('pending'), authorization('valid')],
      'chall/1': [{}],
    });
    let before: readonly string[] = [];
    await proveAuthorization(session, AUTHZ, {
      publishHttp01: () => {
        before = [...http.paths];
        return Promise.resolve();
      },
    });
    assert.deepEqual(before, ['authz/1']);
  });

  it('waits as long as the answer to the challenge asks', async () => {
    const { session, timing } = scriptedSession({
      'authz/1': [
        authorization('pending'),
        authorization('pending', {}, { 'retry-after': '9' }),
        authorization('pending', {}, { 'retry-after': '9' }),
        authorization('valid'),
      ],
      'chall/1': [{ headers: { 'retry-after': '3' } }],
    });
    await proveAuthorization(session, AUTHZ, publisher());
    assert.deepEqual(timing.waits, [20, 330, 9_000]);
  });

  it('has nothing to prove of a valid one, and removes what an earlier run has left', async () => {
    const { session, http, reports } = scriptedSession({ 'authz/1': [authorization('valid')] });
    const port = publisher();
    await proveAuthorization(session, AUTHZ, port);
    assert.deepEqual([port.published, port.withdrawn], [[], [TOKEN]]);
    assert.deepEqual(http.paths, ['authz/1']);
    assert.deepEqual(reports, ['a.example: already authorized']);
  });

  it('asks for no check that is under way, and publishes all the same', async () => {
    const { session, http } = scriptedSession({
      'authz/1': [authorization('pending', { status: 'processing' }), authorization('valid')],
    });
    const port = publisher();
    await proveAuthorization(session, AUTHZ, port);
    assert.deepEqual([port.published, http.paths], [[TOKEN], ['authz/1', 'authz/1']]);
  });

  for (const status of ['invalid', 'deactivated', 'expired', 'revoked']) {
    it(`fails with one that is ${status}`, async () => {
      const { session } = scriptedSession({ 'authz/1': [authorization(status)] });
      const port = publisher();
      const error = await appErrorOf(
        () => proveAuthorization(session, AUTHZ, port),
        'ACME_ORDER_FAILED',
      );
      assert.equal(error.message, `a.example: the authorization is ${status}`);
      assert.deepEqual([error.hint, port.published], [undefined, []]);
    });
  }

  it('fails as soon as the challenge is invalid, with its reason', async () => {
    const failed = authorization('pending', { status: 'invalid', error: FAILURE });
    const { session } = scriptedSession({
      'authz/1': [authorization('pending'), failed],
      'chall/1': [{}],
    });
    const error = await appErrorOf(
      () => proveAuthorization(session, AUTHZ, publisher()),
      'ACME_ORDER_FAILED',
    );
    assert.equal(error.message, 'a.example: connection: refused');
    assert.match(error.hint ?? '', /port 80/);
  });

  it('goes on where the challenge is refused because the check has begun', async () => {
    const { session, http } = scriptedSession({
      'authz/1': [
        authorization('pending'),
        authorization('pending', { status: 'processing' }, { 'retry-after': '7' }),
        authorization('pending', { status: 'processing' }, { 'retry-after': '7' }),
        authorization('pending', { status: 'processing' }, { 'retry-after': '7' }),
        authorization('valid'),
      ],
      'chall/1': [problem('malformed')],
    });
    await proveAuthorization(session, AUTHZ, publisher());
    assert.equal(http.paths.filter((path) => path === 'chall/1').length, 1);
    const done = scriptedSession({
      'authz/1': [authorization('pending'), authorization('valid')],
      'chall/1': [problem('malformed')],
    });
    await proveAuthorization(done.session, AUTHZ, publisher());
  });

  it('fails where the challenge is refused and nothing has begun', async () => {
    for (const status of [undefined, 'pending']) {
      const { session } = scriptedSession({
        'authz/1': [authorization('pending', { status })],
        'chall/1': [problem('malformed', 400, { detail: 'no' })],
      });
      const error = await appErrorOf(
        () => proveAuthorization(session, AUTHZ, publisher()),
        'ACME_PROBLEM',
      );
      assert.equal(error.message, 'a.example: challenge: malformed: no');
    }
  });

  it('passes on what is no answer of the server', async () => {
    const gone = new Error('the signer is gone');
    const { session, http } = scriptedSession({
      'authz/1': [authorization('pending')],
      'chall/1': [gone],
    });
    await assert.rejects(proveAuthorization(session, AUTHZ, publisher()), gone);
    assert.deepEqual(http.paths, ['authz/1', 'chall/1']);
  });
});

describe('withdrawAnswer', () => {
  it('removes the answer for the token', async () => {
    const { session } = scriptedSession({ 'authz/1': [authorization('valid')] });
    const port = publisher();
    await withdrawAnswer(session, AUTHZ, port);
    assert.deepEqual(port.withdrawn, [TOKEN]);
  });

  it('does without a token, and without a way to remove anything', async () => {
    const script = { 'authz/1': [authorization('valid', { token: null })] };
    const port = publisher();
    await withdrawAnswer(scriptedSession(script).session, AUTHZ, port);
    assert.deepEqual(port.withdrawn, []);
    const { session } = scriptedSession({ 'authz/1': [authorization('valid')] });
    await withdrawAnswer(session, AUTHZ, { publishHttp01: () => Promise.resolve() });
  });

  it('leaves an authorization alone that cannot be read, and hides no other failure', async () => {
    const refused = scriptedSession({ 'authz/1': [problem('unauthorized', 403)] });
    const port = publisher();
    await withdrawAnswer(refused.session, AUTHZ, port);
    assert.deepEqual(port.withdrawn, []);
    const gone = new Error('the signer is gone');
    await assert.rejects(
      withdrawAnswer(scriptedSession({ 'authz/1': [gone] }).session, AUTHZ, port),
      gone,
    );
  });
});
