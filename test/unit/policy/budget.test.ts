import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chargesOf, parseBudget } from '../../../src/policy/budget.js';
import type { ClassifiedRequest, Operation } from '../../../src/policy/operation.js';
import type { Identifier } from '../../../src/x509/identifier.js';
import { appErrorOf } from '../../support/app-error.js';

const SCOPE = { account: 'default', policy: 'web', listener: 'S.claviger' };

const dns = (value: string): Identifier => ({ type: 'dns', value });

function request(operation: Operation, ...identifiers: Identifier[]): ClassifiedRequest {
  return { operation, identifiers, payload: {} };
}

function keysOf(text: string, asked: ClassifiedRequest, scope = SCOPE): readonly string[] {
  return chargesOf([parseBudget(text)], asked, scope).map(({ key }) => key);
}

describe('parseBudget', () => {
  it('reads what is counted, in which time and for whom', () => {
    assert.deepEqual(parseBudget('50 new-order per 1d'), {
      text: '50 new-order per 1d',
      limit: 50,
      operation: 'new-order',
      windowMs: 86_400_000,
      perIdentifier: false,
      perListener: false,
    });
    const both = parseBudget('5 finalize per 1h per identifier per listener');
    assert.equal(both.perIdentifier, true);
    assert.equal(both.perListener, true);
    assert.equal(parseBudget('5 read per 1h per listener').perListener, true);
  });

  for (const [text, problem] of [
    ['', /form/],
    ['50 new-order', /form/],
    ['new-order per 1d', /form/],
    ['50 new-order per 1d per listener per identifier', /form/],
    ['50 new-order per 1d per client', /form/],
    ['-1 new-order per 1d', /form/],
    ['1.5 new-order per 1d', /form/],
    ['0 new-order per 1d', /between 1 and/],
    ['100001 new-order per 1d', /between 1 and/],
    ['50 orders per 1d', /no known operation/],
    ['50 constructor per 1d', /no known operation/],
    ['50 new-order per day', /no time/],
    ['50 new-order per 0d', /no time/],
    ['50 new-order per 401d', /no time/],
    ['50 read per 1d per identifier', /carries none/],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, async () => {
      const error = await appErrorOf(() => parseBudget(text), 'POLICY_INVALID');
      assert.match(error.message, problem);
    });
  }
});

describe('chargesOf', () => {
  it('counts the operation of the budget alone', () => {
    assert.deepEqual(chargesOf([parseBudget('50 new-order per 1d')], request('new-order'), SCOPE), [
      {
        key: 'default/web//new-order/86400s',
        limit: 50,
        windowMs: 86_400_000,
        text: '50 new-order per 1d',
      },
    ]);
    assert.deepEqual(keysOf('50 new-order per 1d', request('finalize')), []);
  });

  it('counts under the same key whatever the limit', () => {
    assert.deepEqual(
      keysOf('50 new-order per 1d', request('new-order')),
      keysOf('7 new-order per 24h', request('new-order')),
    );
  });

  it('counts under another key for each time, account, policy and, if told, listener', () => {
    const shared = '50 new-order per 1d';
    const own = '50 new-order per 1d per listener';
    const order = request('new-order');
    const keys = [
      keysOf(shared, order),
      keysOf(own, order),
      keysOf('50 new-order per 2d', order),
      keysOf(shared, order, { ...SCOPE, account: 'other' }),
      keysOf(shared, order, { ...SCOPE, policy: 'other' }),
      keysOf(own, order, { ...SCOPE, listener: 'other' }),
      keysOf(own, order, { ...SCOPE, listener: 'a/b' }),
      keysOf(own, order, { ...SCOPE, policy: 'web/S.claviger', listener: 'a' }),
    ].flat();
    assert.equal(new Set(keys).size, 8);
    assert.deepEqual(keysOf(shared, order), keysOf(shared, order, { ...SCOPE, listener: 'other' }));
  });

  it('counts each name once, however it is spelled', () => {
    const budget = '5 finalize per 1h per identifier';
    const finalize = request(
      'finalize',
      dns('www.example.org'),
      dns('WWW.example.org.'),
      dns('*.example.org'),
      { type: 'ip', value: '2001:DB8::0:1' },
      { type: 'ip', value: '2001:db8::1' },
    );
    assert.deepEqual(keysOf(budget, finalize), [
      'default/web//finalize/3600s/dns:www.example.org',
      'default/web//finalize/3600s/dns:*.example.org',
      `default/web//finalize/3600s/ip:6:20010db8${'0'.repeat(23)}1`,
    ]);
    assert.deepEqual(keysOf(budget, request('finalize')), []);
  });

  it('counts a name that nobody can read as it stands', () => {
    const finalize = request('finalize', { type: 'other', value: 'a/b c' });
    assert.deepEqual(keysOf('5 finalize per 1h per identifier', finalize), [
      'default/web//finalize/3600s/other:a%2Fb%20c',
    ]);
  });
});
