import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerIdentifier } from '../../../src/x509/identifier.js';
import { parseProblem, ServerProblem } from '../../../src/acme/problem.js';
import { csrOf, isRefusal, resumeOrder } from '../../../src/acme/unfinished-order.js';
import {
  BASE,
  httpResponse,
  problem,
  scriptedSession,
  type Script,
} from '../../support/client/scripted-acme.js';
import type { PlacedOrder } from '../../../src/acme/order.js';

const NAMES: readonly ServerIdentifier[] = [{ type: 'dns', value: 'a.example' }];
const UNFINISHED = {
  url: `${BASE}/order/1`,
  finalize: `${BASE}/finalize/1`,
  authorizations: [`${BASE}/authz/1`],
  csr: 'Y3Ny',
};

async function resumed(
  script: Script,
  more: Partial<typeof UNFINISHED> | { readonly csr: undefined } = {},
): Promise<PlacedOrder | undefined> {
  const { session } = scriptedSession(script);
  return await resumeOrder(session, { ...UNFINISHED, ...more }, NAMES);
}

describe('csrOf', () => {
  it('decodes the request where there is one', () => {
    assert.deepEqual(csrOf(UNFINISHED), Buffer.from('csr'));
    assert.equal(csrOf({ ...UNFINISHED, csr: undefined }), undefined);
    assert.equal(csrOf(undefined), undefined);
  });
});

describe('resumeOrder', () => {
  for (const status of ['pending', 'ready', 'processing', 'valid']) {
    it(`continues an order that is ${status}, with the URLs that are remembered`, async () => {
      const placed = await resumed({ 'order/1': [{ body: { status } }] });
      assert.deepEqual(placed, {
        url: new URL(UNFINISHED.url),
        status,
        finalize: new URL(UNFINISHED.finalize),
        authorizations: [new URL(`${BASE}/authz/1`)],
      });
    });
  }

  it("prefers the answer's URLs", async () => {
    const body = {
      status: 'ready',
      identifiers: NAMES,
      finalize: `${BASE}/finalize/2`,
      authorizations: [`${BASE}/authz/2`],
    };
    const placed = await resumed({ 'order/1': [{ body }] });
    assert.equal(placed?.finalize.href, `${BASE}/finalize/2`);
    assert.deepEqual(placed.authorizations, [new URL(`${BASE}/authz/2`)]);
  });

  it('does without the request only where none was sent', async () => {
    for (const [status, isUsable] of [
      ['pending', true],
      ['ready', true],
      ['processing', false],
      ['valid', false],
    ] as const) {
      const placed = await resumed({ 'order/1': [{ body: { status } }] }, { csr: undefined });
      assert.equal(placed !== undefined, isUsable, status);
    }
  });

  it('gives an order up that failed, or is for other names', async () => {
    assert.equal(await resumed({ 'order/1': [{ body: { status: 'invalid' } }] }), undefined);
    const other = { status: 'ready', identifiers: [{ type: 'dns', value: 'b.example' }] };
    assert.equal(await resumed({ 'order/1': [{ body: other }] }), undefined);
  });

  it('gives an order up that the server does not know, or that cannot be read', async () => {
    assert.equal(await resumed({ 'order/1': [problem('malformed', 404)] }), undefined);
    assert.equal(await resumed({ 'order/1': [{ body: 'text' }] }), undefined);
    assert.equal(await resumed({}, { url: 'file:///etc/passwd' }), undefined);
    const ready = { 'order/1': [{ body: { status: 'ready' } }] };
    assert.equal(await resumed(ready, { finalize: 'http://ca.example/' }), undefined);
  });

  it('passes on what does not concern the order', async () => {
    const gone = new Error('the signer is gone');
    await assert.rejects(resumed({ 'order/1': [gone] }), gone);
    await assert.rejects(resumed({ 'order/1': [problem('accountDoesNotExist')] }), {
      code: 'ACME_PROBLEM',
    });
  });
});

describe('isRefusal', () => {
  const answered = (type: string, status: number): ServerProblem =>
    new ServerProblem('order', { problem: parseProblem(httpResponse(problem(type))), status });

  it('is true for what the server refuses for its content', () => {
    assert.equal(isRefusal(answered('malformed', 400)), true);
    assert.equal(isRefusal(answered('unauthorized', 404)), true);
    assert.equal(isRefusal(answered('malformed', 499)), true);
  });

  for (const status of [408, 425, 429, 500, 503]) {
    it(`is false for the status ${status}`, () => {
      assert.equal(isRefusal(answered('malformed', status)), false);
    });
  }

  for (const type of ['badNonce', 'accountDoesNotExist', 'userActionRequired', 'rateLimited']) {
    it(`is false for ${type}`, () => {
      assert.equal(isRefusal(answered(type, 400)), false);
    });
  }

  it('is false for what is no answer', () => {
    assert.equal(isRefusal(new Error('no')), false);
  });
});
