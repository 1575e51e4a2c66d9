import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fetchDirectory, type Directory } from '../../../src/acme/directory.js';
import { HttpTrouble } from '../../../src/acme/transport/http-trouble.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  FakeTiming,
  problem,
  ScriptedHttp,
  type ScriptedAnswer,
} from '../../support/client/scripted-acme.js';

const BODY = {
  newNonce: `${BASE}/newNonce`,
  newAccount: `${BASE}/newAccount`,
  newOrder: `${BASE}/newOrder`,
};

interface Fetched {
  readonly directory: Directory;
  readonly http: ScriptedHttp;
  readonly timing: FakeTiming;
}

async function fetched(...answers: readonly (ScriptedAnswer | Error)[]): Promise<Fetched> {
  const http = new ScriptedHttp({ directory: answers });
  const timing = new FakeTiming();
  const context = { timing, deadlineMs: Infinity, report: () => undefined };
  const url = new URL(`${BASE}/directory`);
  return { directory: await fetchDirectory(http, url, context), http, timing };
}

describe('fetchDirectory', () => {
  it('reads the URLs', async () => {
    const { directory, http } = await fetched({ body: BODY });
    assert.deepEqual(directory, {
      url: new URL(`${BASE}/directory`),
      newNonce: new URL(BODY.newNonce),
      newAccount: new URL(BODY.newAccount),
      newOrder: new URL(BODY.newOrder),
      revokeCert: undefined,
      termsOfService: undefined,
      isExternalAccountRequired: false,
    });
    const [{ method, accept } = assert.fail()] = http.calls;
    assert.deepEqual([method, accept], ['GET', 'application/json']);
  });

  it('reads what may be missing', async () => {
    const meta = { termsOfService: `${BASE}/terms`, externalAccountRequired: true };
    const { directory } = await fetched({
      body: { ...BODY, revokeCert: `${BASE}/revoke`, meta },
    });
    assert.equal(directory.revokeCert?.href, `${BASE}/revoke`);
    assert.deepEqual(
      [directory.termsOfService, directory.isExternalAccountRequired],
      [`${BASE}/terms`, true],
    );
  });

  for (const name of ['newNonce', 'newAccount', 'newOrder', 'revokeCert']) {
    it(`refuses a ${name} that is not https`, async () => {
      const body = { ...BODY, [name]: 'http://ca.example/x' };
      const error = await appErrorOf(() => fetched({ body }), 'ACME_INVALID');
      assert.ok(error.message.startsWith(`${name}: `), error.message);
    });
  }

  it('is for a server that answers, soon', async () => {
    const trouble = new HttpTrouble('ACME_CONNECTION', 'no', { isSent: false, isPassing: true });
    const { timing } = await fetched(trouble, { body: BODY });
    assert.deepEqual(timing.waits, [100]);
    await assert.rejects(fetched(trouble), trouble);
  });

  it('fails with the problem of an error status, and the hint where the URL is wrong', async () => {
    for (const [status, hasHint] of [
      [399, false],
      [400, true],
      [404, true],
      [499, true],
      [500, false],
      [501, false],
    ] as const) {
      const failing = (): Promise<Fetched> => fetched(problem('malformed', status));
      if (status === 500) {
        continue; // is tried again
      }
      const error = await appErrorOf(failing, 'ACME_PROBLEM');
      assert.equal(error.message, `directory ${BASE}/directory: malformed`);
      assert.equal(/--server is the URL/.test(error.hint ?? ''), hasHint, String(status));
    }
  });
});

describe('a web page in place of a directory', () => {
  for (const [what, answer] of [
    ['by its type', { headers: { 'content-type': 'text/HTML; charset=utf-8' }, body: 'x' }],
    ['by the type of XHTML', { headers: { 'content-type': 'application/xhtml+xml' }, body: 'x' }],
    ['by its first tag', { body: '<!doctype html>' }],
    ['behind a byte order mark and blanks', { body: '\uFEFF \n<html>' }],
  ] as const) {
    it(`is recognised ${what}`, async () => {
      const error = await appErrorOf(() => fetched(answer), 'ACME_INVALID');
      assert.match(error.message, /this is a web page, no ACME directory$/);
      assert.match(error.hint ?? '', /--server is the URL/);
    });
  }

  it('is not every answer that is no directory', async () => {
    for (const answer of [
      { body: 'x<html>' },
      { headers: { 'content-type': 'application/text/html' }, body: '{}' },
    ]) {
      const error = await appErrorOf(() => fetched(answer), 'ACME_INVALID');
      assert.doesNotMatch(error.message, /web page/);
    }
  });
});
