import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoncePool } from '../../../../src/acme/transport/nonces.js';
import { appErrorOf } from '../../../support/app-error.js';
import {
  DIRECTORY,
  FakeTiming,
  httpResponse,
  problem,
  ScriptedHttp,
  type Script,
} from '../../../support/client/scripted-acme.js';

interface Bed {
  readonly pool: NoncePool;
  readonly http: ScriptedHttp;
  readonly offer: (nonce: string) => void;
}

function bed(script: Script = {}): Bed {
  const http = new ScriptedHttp(script);
  const timing = new FakeTiming();
  const context = { timing, deadlineMs: timing.now() + 10_000, report: () => undefined };
  const pool = new NoncePool(http, DIRECTORY.newNonce, context);
  const offer = (nonce: string): void => {
    pool.offer(httpResponse({ headers: { 'replay-nonce': nonce } }));
  };
  return { pool, http, offer };
}

const FIRST = Buffer.from('nonce 0').toString('base64url');

describe('NoncePool', () => {
  it('uses each nonce of an answer once, the newest first', async () => {
    const { pool, http, offer } = bed();
    offer('one');
    offer('two');
    assert.deepEqual([await pool.take(), await pool.take()], ['two', 'one']);
    assert.deepEqual(http.calls, []);
    assert.equal(await pool.take(), FIRST);
  });

  it('fetches one by HEAD when it has none', async () => {
    const { pool, http } = bed();
    assert.equal(await pool.take(), FIRST);
    assert.deepEqual(
      http.calls.map(({ method, path }) => `${method} ${path}`),
      ['HEAD newNonce'],
    );
  });

  it('keeps 32, and drops the oldest', async () => {
    const { pool, offer } = bed();
    for (let count = 1; count <= 33; count += 1) {
      offer(`n${count}`);
    }
    const taken: string[] = [];
    for (let count = 1; count <= 32; count += 1) {
      taken.push(await pool.take());
    }
    assert.deepEqual([taken[0], taken.at(-1)], ['n33', 'n2']);
    assert.equal(await pool.take(), FIRST);
  });

  it('ignores what is no nonce, and an answer without one', async () => {
    const { pool, offer } = bed();
    offer('not base64url!');
    offer('');
    pool.offer(httpResponse());
    assert.equal(await pool.take(), FIRST);
  });

  it('gives the prefetched nonce, and fetches no second one for it', async () => {
    const { pool, http } = bed();
    pool.prefetch();
    assert.equal(await pool.take(), FIRST);
    assert.equal(http.calls.length, 1);
  });

  it('tries again where the prefetch failed', async () => {
    const odd = new Error('odd');
    const { pool, http } = bed({
      newNonce: [odd, { headers: { 'replay-nonce': 'second' } }],
    });
    pool.prefetch();
    assert.equal(await pool.take(), 'second');
    assert.equal(http.calls.length, 2);
  });

  it('fails when the server gives none', async () => {
    const { pool } = bed({ newNonce: [{}] });
    const error = await appErrorOf(() => pool.take(), 'ACME_INVALID');
    assert.equal(error.message, 'new nonce: the server gave no usable nonce');
  });

  it('fails with the problem of an error status', async () => {
    const { pool } = bed({ newNonce: [problem('malformed', 400, { detail: 'no' })] });
    const error = await appErrorOf(() => pool.take(), 'ACME_PROBLEM');
    assert.equal(error.message, 'new nonce: malformed: no');
    const { pool: busy, http } = bed({
      newNonce: [problem('rateLimited', 503), { headers: { 'replay-nonce': 'later' } }],
    });
    assert.equal(await busy.take(), 'later');
    assert.equal(http.calls.length, 2);
  });
});
