import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CertificateError } from '../../../../src/client/install/certificate-chain.js';
import {
  assertMayOrder,
  rememberUnusable,
} from '../../../../src/client/renewal/unusable-certificate.js';
import { ClientState } from '../../../../src/client/state/client-state.js';
import { OrderMemory } from '../../../../src/client/state/order-memory.js';
import { appErrorOf } from '../../../support/app-error.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
type OrderSubject = ConstructorParameters<typeof OrderMemory>[1];

const SUBJECT: OrderSubject = {
  server: new URL('https://ca.example/dir'),
  key: '/k',
  identifiers: [
    { type: 'dns', value: 'b.test' },
    { type: 'dns', value: 'a.test' },
  ],
};
const ORDER = {
  url: new URL('https://ca.example/order/1'),
  finalize: new URL('https://ca.example/finalize/1'),
  authorizations: [new URL('https://ca.example/authz/1')],
};
const REQUEST = { csr: Buffer.from('csr'), publicKey: Buffer.from('key') };

interface Bed {
  readonly memory: OrderMemory;
  readonly directory: string;
  readonly state: ClientState;
}

async function bed(scope: Scope): Promise<Bed> {
  const directory = join(await makeTempDir(scope), 'state');
  const state = new ClientState({ directory, report: () => undefined });
  return { memory: new OrderMemory(state, SUBJECT), directory, state };
}

describe('the memory of an order', () => {
  it('has the URLs, the request and when it was placed', async (t) => {
    const { memory } = await bed(t);
    assert.equal(await memory.order(NOW), undefined);
    assert.equal(await memory.keepOrder(ORDER, REQUEST, NOW), true);
    assert.deepEqual(await memory.order(NOW), {
      names: ['b.test', 'a.test'],
      placed: '2026-11-21T12:00:00.000Z',
      url: ORDER.url.href,
      finalize: ORDER.finalize.href,
      authorizations: ['https://ca.example/authz/1'],
      csr: 'Y3Ny',
      publicKey: 'a2V5',
    });
    await memory.forgetOrder();
    assert.equal(await memory.order(NOW), undefined);
  });

  it('is good for three days, and not before it was placed', async (t) => {
    const { memory } = await bed(t);
    await memory.keepOrder(ORDER, REQUEST, NOW);
    assert.notEqual(await memory.order(NOW + 3 * DAY_MS - 1), undefined);
    assert.equal(await memory.order(NOW + 3 * DAY_MS), undefined);
    assert.equal(await memory.order(NOW - 1), undefined);
  });

  it('is of the names in any order, of one key and one server', async (t) => {
    const { memory, state } = await bed(t);
    await memory.keepOrder(ORDER, REQUEST, NOW);
    const found = async (more: Partial<OrderSubject>): Promise<boolean> =>
      (await new OrderMemory(state, { ...SUBJECT, ...more }).order(NOW)) !== undefined;
    assert.equal(await found({ identifiers: [...SUBJECT.identifiers].reverse() }), true);
    assert.equal(await found({ identifiers: SUBJECT.identifiers.slice(1) }), false);
    assert.equal(await found({ key: '/l' }), false);
    assert.equal(await found({ server: new URL('https://other.example/dir') }), false);
  });

  it('is lost without a folder', async () => {
    const state = new ClientState({ directory: undefined, report: () => undefined });
    const memory = new OrderMemory(state, SUBJECT);
    assert.equal(await memory.keepOrder(ORDER, REQUEST, NOW), false);
    assert.equal(await memory.order(NOW), undefined);
  });
});

describe('a certificate that could not be used', () => {
  it('delays the next order, the longer the more there were', async (t) => {
    const { memory } = await bed(t);
    assert.equal(await memory.failure(NOW), undefined);
    for (const hours of [1, 12, 24, 48, 96, 168, 168]) {
      const { notBefore, isOver } = await memory.noteFailure('odd', NOW);
      assert.equal(Date.parse(notBefore) - NOW, hours * HOUR_MS);
      assert.equal(isOver, false);
      const end = NOW + hours * HOUR_MS;
      assert.equal((await memory.failure(end - 1))?.isOver, false);
      assert.equal((await memory.failure(end))?.isOver, true);
    }
    assert.equal((await memory.failure(NOW))?.count, 7);
  });

  it('does not, when the clock was set back since', async (t) => {
    const { memory } = await bed(t);
    await memory.noteFailure('odd', NOW);
    assert.equal((await memory.failure(NOW + HOUR_MS - 7 * DAY_MS))?.isOver, false);
    assert.equal((await memory.failure(NOW + HOUR_MS - 7 * DAY_MS - 1))?.isOver, true);
  });

  it('is forgotten with everything', async (t) => {
    const { memory, directory } = await bed(t);
    await memory.keepOrder(ORDER, REQUEST, NOW);
    await memory.noteFailure('odd', NOW);
    await memory.forgetAll();
    assert.deepEqual(await readdir(directory), []);
  });

  it('is the reason why none is ordered', async (t) => {
    const { memory } = await bed(t);
    await assertMayOrder(memory, NOW);
    const thrown = new CertificateError('is for other names', { hint: 'nothing was installed' });
    const error = await rememberUnusable(memory, thrown, { isNew: true, now: NOW });
    assert.equal(error.message, 'certificate: is for other names');
    assert.equal(
      error.hint,
      'nothing was installed; the next run looks at this certificate again, and orders no other before 2026-11-21T13:00:00.000Z',
    );
    const refused = await appErrorOf(() => assertMayOrder(memory, NOW), 'CLIENT_CERTIFICATE');
    assert.equal(
      refused.message,
      'certificate: the last one could not be used: is for other names',
    );
    assert.equal(
      refused.hint,
      'no new one is ordered before 2026-11-21T13:00:00.000Z; --force orders one now',
    );
    await assertMayOrder(memory, NOW + HOUR_MS);
  });

  it('of an earlier order is not counted again', async (t) => {
    const { memory } = await bed(t);
    const thrown = new CertificateError('is odd');
    const first = await rememberUnusable(memory, thrown, { isNew: false, now: NOW });
    assert.equal(first.hint, 'nothing was installed');
    await memory.noteFailure('is odd', NOW);
    const again = await rememberUnusable(memory, thrown, { isNew: false, now: NOW + 1 });
    assert.match(again.hint ?? '', /before 2026-11-21T13:00:00\.000Z$/);
    assert.equal((await memory.failure(NOW))?.count, 1);
  });
});
