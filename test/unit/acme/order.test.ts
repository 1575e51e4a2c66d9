import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerIdentifier } from '../../../src/x509/identifier.js';
import { fetchOrder, isOrderFor, placeOrder, waitWhile } from '../../../src/acme/order.js';
import { HttpTrouble } from '../../../src/acme/transport/http-trouble.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const NAMES: readonly ServerIdentifier[] = [{ type: 'dns', value: 'a.example' }];
const lost = new HttpTrouble('ACME_CONNECTION', 'ca.example: lost', {
  isSent: true,
  isPassing: true,
});

function order(status: string, more: object = {}): Record<string, unknown> {
  return {
    status,
    identifiers: NAMES,
    authorizations: [`${BASE}/authz/1`],
    finalize: `${BASE}/finalize/1`,
    ...more,
  };
}

function placed(body: unknown, location = `${BASE}/order/1`): ScriptedAnswer {
  return { status: 201, headers: { location }, body };
}

describe('placeOrder', () => {
  it('orders exactly the names, and gives the URLs of the answer', async () => {
    const { session, http } = scriptedSession({ newOrder: [placed(order('pending'))] });
    const { url, status, finalize, authorizations } = await placeOrder(session, NAMES);
    assert.deepEqual([url.href, status], [`${BASE}/order/1`, 'pending']);
    assert.deepEqual(
      [finalize.href, authorizations.map(({ href }) => href)],
      [`${BASE}/finalize/1`, [`${BASE}/authz/1`]],
    );
    assert.deepEqual(http.calls.at(-1)?.payload, { identifiers: NAMES });
  });

  it('takes an order that does not list its names', async () => {
    const body = order('ready', { identifiers: null, authorizations: null });
    const { session } = scriptedSession({ newOrder: [placed(body)] });
    assert.equal((await placeOrder(session, NAMES)).status, 'ready');
  });

  for (const [what, answer, message] of [
    [
      'other names',
      placed(order('ready', { identifiers: [{ type: 'dns', value: 'b.example' }] })),
      /other names/,
    ],
    ['no authorization', placed(order('pending', { authorizations: [] })), /no authorization/],
    [
      'an authorization that is not https',
      placed(order('pending', { authorizations: ['x'] })),
      /^order: authorization: /,
    ],
    ['no finalize URL', placed(order('ready', { finalize: null })), /^order: finalize: /],
    ['no location', { status: 201, body: order('ready') }, /^order: location: /],
    ['an unknown state', placed(order('odd')), /^order: status: /],
  ] as const) {
    it(`refuses an order with ${what}`, async () => {
      const { session, timing } = scriptedSession({ newOrder: [answer] });
      const error = await appErrorOf(() => placeOrder(session, NAMES), 'ACME_INVALID');
      assert.match(error.message, message);
      assert.deepEqual(timing.waits, []);
    });
  }

  it('finds an order whose answer was lost in the list, and places no other', async () => {
    const { session, http, timing } = scriptedSession({
      newOrder: [lost],
      'account/1': [{ body: { status: 'valid', orders: `${BASE}/orders` } }],
      orders: [{ body: { orders: [`${BASE}/order/7`] } }],
      'order/7': [{ body: order('pending') }],
    });
    assert.equal((await placeOrder(session, NAMES)).url.href, `${BASE}/order/7`);
    assert.deepEqual(http.paths, ['newOrder', 'account/1', 'orders', 'order/7']);
    assert.deepEqual(timing.waits, [1_000]);
  });

  it('places it again where there is no list, three times, after growing pauses', async () => {
    const account = { body: { status: 'valid' } };
    const again = scriptedSession({
      newOrder: [lost, problem('serverInternal', 500), placed(order('pending'))],
      'account/1': [account],
    });
    assert.equal((await placeOrder(again.session, NAMES)).status, 'pending');
    assert.deepEqual(again.timing.waits, [1_000, 2_000]);
    const never = scriptedSession({ newOrder: [lost], 'account/1': [account] });
    await assert.rejects(placeOrder(never.session, NAMES), lost);
    assert.equal(never.http.paths.filter((path) => path === 'newOrder').length, 3);
  });

  it('does not repeat what the server has refused', async () => {
    const { session, http } = scriptedSession({ newOrder: [problem('rejectedIdentifier')] });
    await appErrorOf(() => placeOrder(session, NAMES), 'ACME_PROBLEM');
    assert.deepEqual(http.paths, ['newOrder']);
  });
});

describe('isOrderFor', () => {
  it('compares the names where there are any', () => {
    assert.equal(isOrderFor({ status: 'ready' }, NAMES), true);
    assert.equal(isOrderFor({ status: 'ready', identifiers: null }, NAMES), true);
    assert.equal(isOrderFor({ status: 'ready', identifiers: [...NAMES] }, NAMES), true);
    assert.equal(isOrderFor({ status: 'ready', identifiers: [] }, NAMES), false);
  });
});

describe('fetchOrder', () => {
  const url = new URL(`${BASE}/order/1`);

  it('reads the order and what the server asks to wait', async () => {
    const answer = { headers: { 'retry-after': '3' }, body: order('processing') };
    const { session } = scriptedSession({ 'order/1': [answer] });
    const read = await fetchOrder(session, url, false);
    assert.deepEqual([read.order.status, read.retryAfterMs], ['processing', 3_000]);
  });

  it('waits for a replica that may lag, and for no other', async () => {
    const script = { 'order/1': [problem('malformed', 404), { body: order('ready') }] };
    const { order: read } = await fetchOrder(scriptedSession(script).session, url, true);
    assert.equal(read.status, 'ready');
    const { session } = scriptedSession(script);
    await appErrorOf(() => fetchOrder(session, url, false), 'ACME_PROBLEM');
  });
});

describe('waitWhile', () => {
  const at = { url: new URL(`${BASE}/order/1`) };
  const first = {
    order: { status: 'processing', identifiers: undefined } as const,
    retryAfterMs: 900,
  };

  it('reads the order until it has left the states', async () => {
    const answers = ['pending', 'processing', 'ready'].map((status) => ({ body: order(status) }));
    const { session, timing } = scriptedSession({ 'order/1': answers });
    const { status } = await waitWhile(session, at, ['pending', 'processing']);
    assert.equal(status, 'ready');
    assert.equal(timing.waits.length, 2);
  });

  it('begins with an answer at hand', async () => {
    const { session, http } = scriptedSession({ 'order/1': [{ body: order('valid') }] });
    const done = await waitWhile(session, at, ['ready'], first);
    assert.deepEqual([done.status, http.paths], ['processing', []]);
    assert.equal((await waitWhile(session, at, ['processing'], first)).status, 'valid');
  });

  it('fails with the reason of an order that became invalid', async () => {
    const error = { type: 'urn:ietf:params:acme:error:caa', detail: 'not allowed' };
    const bodies = [{ body: order('invalid', { error }) }, { body: order('invalid') }];
    const { session } = scriptedSession({ 'order/1': bodies });
    const why = await appErrorOf(() => waitWhile(session, at, ['ready']), 'ACME_ORDER_FAILED');
    assert.equal(why.message, 'order: invalid: caa: not allowed');
    assert.match(why.hint ?? '', /CAA record/);
    const none = await appErrorOf(() => waitWhile(session, at, ['ready']), 'ACME_ORDER_FAILED');
    assert.equal(none.message, 'order: invalid: the server gives no reason');
    assert.equal(none.hint, undefined);
  });

  it('names the states when the time is over', async () => {
    const script = { 'order/1': [{ body: order('processing') }] };
    const { session } = scriptedSession(script, { patienceMs: 1_000 });
    const error = await appErrorOf(
      () => waitWhile(session, at, ['ready', 'processing']),
      'ACME_TIMEOUT',
    );
    assert.match(error.message, /^order: ready or processing: not done/);
  });
});
