import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { awaitCertificate, finalizeOrder } from '../../../src/acme/finalize.js';
import type { PlacedOrder } from '../../../src/acme/order.js';
import { HttpTrouble } from '../../../src/acme/transport/http-trouble.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const PLACED: PlacedOrder = {
  url: new URL(`${BASE}/order/1`),
  finalize: new URL(`${BASE}/finalize/1`),
  authorizations: [],
  status: 'ready',
};
const CSR = Buffer.from('csr');
const CERTIFICATE = `${BASE}/certificate/1`;
const VALID = order('valid', { certificate: CERTIFICATE });
const lost = new HttpTrouble('ACME_CONNECTION', 'ca.example: lost', {
  isSent: true,
  isPassing: true,
});

function order(status: string, more: object = {}): ScriptedAnswer {
  return { body: { status, ...more } };
}

describe('finalizeOrder', () => {
  it('sends the request, and takes a certificate that is ready at once', async () => {
    const { session, http, timing } = scriptedSession({ 'finalize/1': [VALID] });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
    assert.deepEqual(http.calls.at(-1)?.payload, { csr: CSR.toString('base64url') });
    assert.deepEqual([http.paths, timing.waits], [['finalize/1'], []]);
  });

  it('waits while the order is processed, as long as the answer asks', async () => {
    const processing = { ...order('processing'), headers: { 'retry-after': '2' } };
    const { session, timing } = scriptedSession({
      'finalize/1': [processing],
      'order/1': [processing, processing, VALID],
    });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
    assert.deepEqual(timing.waits, [20, 330, 2_000]);
  });

  it('reads the order where the answer is empty', async () => {
    const { session, http } = scriptedSession({ 'finalize/1': [{}], 'order/1': [VALID] });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
    assert.deepEqual(http.paths, ['finalize/1', 'order/1']);
  });

  it('waits while the order is still shown as ready', async () => {
    const { session } = scriptedSession({ 'finalize/1': [order('ready')], 'order/1': [VALID] });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
  });

  it('reads what became of a request whose answer was lost, and sends no second one', async () => {
    const { session, http, timing } = scriptedSession({
      'finalize/1': [lost],
      'order/1': [order('processing'), VALID],
    });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
    assert.deepEqual(http.paths, ['finalize/1', 'order/1', 'order/1']);
    assert.equal(timing.waits[0], 500);
  });

  it('sends it again while the order is ready, four times in all', async () => {
    const { session, http, timing } = scriptedSession({
      'finalize/1': [problem('orderNotReady', 403), lost, VALID],
      'order/1': [order('pending'), order('ready')],
    });
    assert.equal((await finalizeOrder(session, PLACED, CSR)).href, CERTIFICATE);
    assert.equal(http.paths.filter((path) => path === 'finalize/1').length, 3);
    assert.deepEqual(timing.waits, [500, 20, 1_000]);
    const never = scriptedSession({ 'finalize/1': [lost], 'order/1': [order('ready')] });
    await assert.rejects(finalizeOrder(never.session, PLACED, CSR), lost);
    assert.equal(never.http.paths.filter((path) => path === 'finalize/1').length, 4);
    assert.deepEqual(never.timing.waits, [500, 1_000, 1_500]);
  });

  it('gives a refusal on at once', async () => {
    const { session, http } = scriptedSession({ 'finalize/1': [problem('badCSR')] });
    const error = await appErrorOf(() => finalizeOrder(session, PLACED, CSR), 'ACME_PROBLEM');
    assert.match(error.message, /^finalize: badCSR/);
    assert.deepEqual(http.paths, ['finalize/1']);
  });

  it('fails with an order that became invalid', async () => {
    const { session } = scriptedSession({ 'finalize/1': [order('invalid')] });
    await appErrorOf(() => finalizeOrder(session, PLACED, CSR), 'ACME_ORDER_FAILED');
  });

  it('refuses a certificate URL that is not https', async () => {
    const { session } = scriptedSession({ 'finalize/1': [order('valid', { certificate: 'x' })] });
    const error = await appErrorOf(() => finalizeOrder(session, PLACED, CSR), 'ACME_INVALID');
    assert.match(error.message, /^order: certificate: "x"/);
  });
});

describe('awaitCertificate', () => {
  it('waits while the order is processed', async () => {
    const { session } = scriptedSession({ 'order/1': [order('processing'), VALID] });
    assert.equal((await awaitCertificate(session, PLACED)).href, CERTIFICATE);
  });

  it('reads a valid order that does not name its certificate yet, four times', async () => {
    const { session, timing } = scriptedSession({
      'order/1': [order('valid'), order('valid', { certificate: '' }), order('valid'), VALID],
    });
    assert.equal((await awaitCertificate(session, PLACED)).href, CERTIFICATE);
    assert.deepEqual(timing.waits, [500, 1_000, 1_500]);
    const never = scriptedSession({ 'order/1': [order('valid')] });
    const error = await appErrorOf(() => awaitCertificate(never.session, PLACED), 'ACME_INVALID');
    assert.equal(error.message, 'order: valid after finalizing, without certificate');
    assert.equal(never.http.paths.length, 4);
  });

  it('fails with an order that is in another state', async () => {
    const { session, timing } = scriptedSession({ 'order/1': [order('ready')] });
    const error = await appErrorOf(() => awaitCertificate(session, PLACED), 'ACME_INVALID');
    assert.equal(error.message, 'order: ready after finalizing, without certificate');
    assert.deepEqual(timing.waits, []);
  });
});
