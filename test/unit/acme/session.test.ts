import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSession } from '../../../src/acme/session.js';
import { BASE, FakeTiming, ScriptedHttp, SIGNER } from '../../support/client/scripted-acme.js';

const BODY = {
  newNonce: `${BASE}/newNonce`,
  newAccount: `${BASE}/newAccount`,
  newOrder: `${BASE}/newOrder`,
};

describe('openSession', () => {
  it('fetches directory and nonce while the signer is still connecting', async () => {
    const http = new ScriptedHttp({ directory: [{ body: BODY }] });
    const timing = new FakeTiming();
    const reports: string[] = [];
    let connect = (): void => undefined;
    const signer = new Promise<typeof SIGNER>((resolve) => {
      connect = () => {
        resolve(SIGNER);
      };
    });
    const opening = openSession({
      directoryUrl: new URL(`${BASE}/directory`),
      http,
      signer,
      timing,
      deadlineMs: 7,
      report: (line) => {
        reports.push(line);
      },
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      http.calls.map(({ path }) => path),
      ['directory', 'newNonce'],
    );
    connect();
    const session = await opening;
    assert.equal(session.signer, SIGNER);
    assert.equal(session.deadlineMs, 7);
    session.report('line');
    assert.deepEqual(reports, ['line']);
    assert.equal(await session.nonces.take(), Buffer.from('nonce 0').toString('base64url'));
    assert.equal(http.calls.length, 2);
  });

  it('fails where the signer cannot be reached', async () => {
    const gone = new Error('no signer');
    const opening = openSession({
      directoryUrl: new URL(`${BASE}/directory`),
      http: new ScriptedHttp({ directory: [{ body: BODY }] }),
      signer: Promise.reject(gone),
      timing: new FakeTiming(),
      deadlineMs: Infinity,
      report: () => undefined,
    });
    await assert.rejects(opening, gone);
  });
});
