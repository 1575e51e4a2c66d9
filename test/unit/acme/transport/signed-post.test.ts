import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import {
  postAsAccount,
  postAsKey,
  readResource,
} from '../../../../src/acme/transport/signed-post.js';
import { HttpTrouble } from '../../../../src/acme/transport/http-trouble.js';
import { appErrorOf } from '../../../support/app-error.js';
import {
  ACCOUNT_URL,
  BASE,
  problem,
  scriptedSession,
  SIGNER,
} from '../../../support/client/scripted-acme.js';

const URL_OF_X = new URL(`${BASE}/x`);
const NONCE = Buffer.from('nonce 0').toString('base64url');
const lost = new HttpTrouble('ACME_CONNECTION', 'ca.example: lost', {
  isSent: true,
  isPassing: true,
});

describe('postAsAccount', () => {
  it('signs header and payload, and names the account', async () => {
    const { session, http } = scriptedSession({ x: [{ status: 201, body: 'answer' }] });
    const request = { url: URL_OF_X, payload: { a: 1 }, what: 'thing', accept: 'text/x' };
    const response = await postAsAccount(session, request);
    assert.equal(response.body.toString(), 'answer');
    const { method, accept, header, payload } = http.calls.at(-1) ?? assert.fail();
    assert.deepEqual([method, accept], ['POST', 'text/x']);
    assert.deepEqual(header, { alg: 'ES256', kid: ACCOUNT_URL, nonce: NONCE, url: URL_OF_X.href });
    assert.deepEqual(payload, { a: 1 });
  });

  it('sends the signature that the signer made of exactly these parts', async () => {
    const bodies: string[] = [];
    const { session } = scriptedSession({ x: [{}] });
    const { http } = session;
    const spy: typeof session = {
      ...session,
      http: {
        request: (request) => {
          bodies.push(request.body ?? '');
          return http.request(request);
        },
      },
    };
    await postAsAccount(spy, { url: URL_OF_X, payload: undefined, what: 'thing' });
    const schema = v.strictObject({
      protected: v.string(),
      payload: v.literal(''),
      signature: v.string(),
    });
    const jws = v.parse(schema, JSON.parse(bodies.at(-1) ?? ''));
    assert.equal(jws.signature, `${jws.protected}-`);
  });

  it('signs anew with the nonce of the answer when the first was bad', async () => {
    const bad = { ...problem('badNonce'), headers: { 'replay-nonce': 'fresh' } };
    const { session, http, timing } = scriptedSession({ x: [bad, {}] });
    await postAsAccount(session, { url: URL_OF_X, payload: {}, what: 'thing' });
    const nonces = http.calls.filter(({ path }) => path === 'x').map(({ header }) => header);
    assert.deepEqual(
      nonces.map(({ nonce }) => nonce),
      [NONCE, 'fresh'],
    );
    assert.deepEqual(timing.waits, []);
  });

  it('repeats reading after a lost answer, and a change only where it may be made twice', async () => {
    const script = { x: [lost, {}] };
    const reading = scriptedSession(script);
    await postAsAccount(reading.session, { url: URL_OF_X, payload: undefined, what: 'thing' });
    const twice = scriptedSession(script);
    const change = { url: URL_OF_X, payload: {}, what: 'thing' };
    await postAsAccount(twice.session, { ...change, isRepeatable: true });
    const once = scriptedSession(script);
    await assert.rejects(postAsAccount(once.session, change), lost);
    assert.deepEqual(once.timing.waits, []);
  });

  it('repeats 404 where the URL may not be known everywhere yet', async () => {
    const script = { x: [problem('malformed', 404), {}] };
    const request = { url: URL_OF_X, payload: {}, what: 'thing' };
    await postAsAccount(scriptedSession(script).session, { ...request, mayLag: true });
    const { session } = scriptedSession(script);
    await appErrorOf(() => postAsAccount(session, request), 'ACME_PROBLEM');
  });

  for (const status of [199, 300, 400]) {
    it(`takes the status ${status} for a failure`, async () => {
      const { session } = scriptedSession({ x: [{ status }] });
      const request = { url: URL_OF_X, payload: {}, what: 'thing' };
      const error = await appErrorOf(() => postAsAccount(session, request), 'ACME_PROBLEM');
      assert.equal(error.message, `thing: HTTP status ${status}`);
    });
  }

  it('has the hint for a signer whose account is fixed where it is', async () => {
    const script = { x: [problem('accountDoesNotExist')] };
    const request = { url: URL_OF_X, payload: {}, what: 'thing' };
    const fixed = scriptedSession(script, { signer: { jwk: undefined } });
    const error = await appErrorOf(() => postAsAccount(fixed.session, request), 'ACME_PROBLEM');
    assert.match(error.hint ?? '', /the keyid of the signer/);
    const free = scriptedSession(script);
    const other = await appErrorOf(() => postAsAccount(free.session, request), 'ACME_PROBLEM');
    assert.match(other.hint ?? '', /account register/);
  });
});

describe('postAsKey', () => {
  it('has the public key in the header, and no account', async () => {
    const { session, http } = scriptedSession({ x: [{}] });
    await postAsKey(session, { url: URL_OF_X, payload: {}, what: 'thing' });
    const { header } = http.calls.at(-1) ?? assert.fail();
    assert.deepEqual(header, { alg: 'ES256', jwk: SIGNER.jwk, nonce: NONCE, url: URL_OF_X.href });
  });

  it('needs the public key', async () => {
    const { session, http } = scriptedSession({}, { signer: { jwk: undefined } });
    const request = { url: URL_OF_X, payload: {}, what: 'thing' };
    const error = await appErrorOf(() => postAsKey(session, request), 'ACME_UNSUPPORTED');
    assert.equal(error.message, 'thing: the signer does not give its public key');
    assert.match(error.hint ?? '', /key-ID-only mode/);
    assert.deepEqual(http.calls, []);
  });
});

describe('readResource', () => {
  const schema = v.object({ a: v.number() });

  it('reads by POST-as-GET', async () => {
    const { session, http } = scriptedSession({ x: [{ body: { a: 1, b: 2 }, links: ['<y>'] }] });
    const { value, response } = await readResource(session, schema, {
      url: URL_OF_X,
      what: 'thing',
    });
    assert.deepEqual([value, response.links], [{ a: 1 }, ['<y>']]);
    assert.equal(http.calls.at(-1)?.payload, undefined);
  });

  it('refuses another shape', async () => {
    const { session } = scriptedSession({ x: [{ body: { a: 'x' } }] });
    const request = { url: URL_OF_X, what: 'thing' };
    const error = await appErrorOf(() => readResource(session, schema, request), 'ACME_INVALID');
    assert.match(error.message, /^thing: a: /);
  });
});
