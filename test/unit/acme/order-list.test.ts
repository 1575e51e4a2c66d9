import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerIdentifier } from '../../../src/x509/identifier.js';
import { findRecentOrder } from '../../../src/acme/order-list.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type Script,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const NAMES: readonly ServerIdentifier[] = [{ type: 'dns', value: 'a.example' }];
const OTHER = [{ type: 'dns', value: 'b.example' }];
const ACCOUNT = [{ body: { orders: `${BASE}/orders` } }];

function page(ids: readonly number[], next?: string): ScriptedAnswer {
  return {
    body: { orders: ids.map((id) => `${BASE}/order/${id}`) },
    links: next === undefined ? [] : [`<${BASE}/${next}>;rel="next"`],
  };
}

function orders(
  ids: readonly number[],
  body: object = { status: 'pending', identifiers: OTHER },
): Script {
  return Object.fromEntries(ids.map((id) => [`order/${id}`, [{ body }]]));
}

const from = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);

describe('findRecentOrder', () => {
  it('finds nothing where the account has no list', async () => {
    const { session, http } = scriptedSession({ 'account/1': [{ body: {} }] });
    assert.equal(await findRecentOrder(session, NAMES), undefined);
    assert.deepEqual(http.paths, ['account/1']);
  });

  it('finds an order for exactly the names, the last one first', async () => {
    const mine = { status: 'ready', identifiers: NAMES };
    const { session, http } = scriptedSession({
      'account/1': ACCOUNT,
      orders: [page([1, 2, 3])],
      ...orders([1, 2], mine),
      ...orders([3]),
    });
    const found = await findRecentOrder(session, NAMES);
    assert.deepEqual([found?.url.href, found?.order.status], [`${BASE}/order/2`, 'ready']);
    assert.deepEqual(http.paths, ['account/1', 'orders', 'order/3', 'order/2']);
  });

  for (const status of ['processing', 'valid', 'invalid']) {
    it(`passes an order over that is ${status}`, async () => {
      const { session } = scriptedSession({
        'account/1': ACCOUNT,
        orders: [page([1])],
        ...orders([1], { status, identifiers: NAMES }),
      });
      assert.equal(await findRecentOrder(session, NAMES), undefined);
    });
  }

  it('passes an order over that does not list its names', async () => {
    const { session } = scriptedSession({
      'account/1': ACCOUNT,
      orders: [page([1])],
      ...orders([1], { status: 'pending' }),
    });
    assert.equal(await findRecentOrder(session, NAMES), undefined);
  });

  it('reads five pages, and five orders from each end', async () => {
    const pages = Object.fromEntries(
      from(1, 9).map((at) => [
        at === 1 ? 'orders' : `orders/${at}`,
        [page(from(at * 3, at * 3 + 2), `orders/${at + 1}`)],
      ]),
    );
    const { session, http } = scriptedSession({
      'account/1': ACCOUNT,
      ...pages,
      ...orders(from(3, 29)),
    });
    assert.equal(await findRecentOrder(session, NAMES), undefined);
    assert.deepEqual(http.paths, [
      'account/1',
      ...['orders', 'orders/2', 'orders/3', 'orders/4', 'orders/5'],
      ...from(13, 17).map((id) => `order/${id}`),
      ...from(3, 7).map((id) => `order/${id}`),
    ]);
  });

  it('reads ten orders of ten, the last one first', async () => {
    const ids = from(1, 10);
    const { session, http } = scriptedSession({
      'account/1': ACCOUNT,
      orders: [page(ids)],
      ...orders(ids),
    });
    await findRecentOrder(session, NAMES);
    assert.deepEqual(
      http.paths.slice(2),
      ids.reverse().map((id) => `order/${id}`),
    );
  });

  it('finds nothing where the server refuses, and fails with all else', async () => {
    const refused = scriptedSession({
      'account/1': ACCOUNT,
      orders: [problem('unauthorized', 403)],
    });
    assert.equal(await findRecentOrder(refused.session, NAMES), undefined);
    const odd = scriptedSession({ 'account/1': ACCOUNT, orders: [{ body: { orders: ['x'] } }] });
    const error = await appErrorOf(() => findRecentOrder(odd.session, NAMES), 'ACME_INVALID');
    assert.match(error.message, /^list of orders: /);
  });
});
