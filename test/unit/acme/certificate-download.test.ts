import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { downloadChains } from '../../../src/acme/certificate-download.js';
import { HttpTrouble } from '../../../src/acme/transport/http-trouble.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type Script,
  type ScriptedSession,
} from '../../support/client/scripted-acme.js';

const CERTIFICATE = new URL(`${BASE}/certificate/1`);
const KIB = 1024;

function alternate(...names: readonly string[]): string[] {
  return names.map((name) => `<${name}>;rel="alternate"`);
}

async function chainsOf({ session }: ScriptedSession): Promise<string[]> {
  const chains: string[] = [];
  for await (const chain of downloadChains(session, CERTIFICATE)) {
    chains.push(chain);
  }
  return chains;
}

describe('downloadChains', () => {
  it('fetches the chain that the server prefers, as PEM', async () => {
    const bed = scriptedSession({ 'certificate/1': [{ body: 'PEM \u00ff' }] });
    assert.deepEqual(await chainsOf(bed), [Buffer.from('PEM \u00ff').toString('latin1')]);
    const { accept, payload } = bed.http.calls.at(-1) ?? assert.fail();
    assert.deepEqual([accept, payload], ['application/pem-certificate-chain', undefined]);
  });

  it('fetches each alternate chain once, and only when asked for', async () => {
    const links = alternate('/alt/1', `${BASE}/certificate/1`, `${BASE}/alt/1`, '/alt/2');
    const script: Script = {
      'certificate/1': [{ body: 'main', links }],
      'alt/1': [{ body: 'one', links: alternate('/alt/3') }],
      'alt/2': [{ body: 'two' }],
    };
    const lazy = scriptedSession(script);
    for await (const chain of downloadChains(lazy.session, CERTIFICATE)) {
      assert.equal(chain, 'main');
      break;
    }
    assert.deepEqual(lazy.http.paths, ['certificate/1']);
    assert.deepEqual(await chainsOf(scriptedSession(script)), ['main', 'one', 'two']);
  });

  it('fetches ten of them at most', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `/alt/${at}`);
    const bed = scriptedSession({
      'certificate/1': [{ body: 'main', links: alternate(...names) }],
      ...Object.fromEntries(names.map((name) => [name.slice(1), [{ body: name }]])),
    });
    assert.deepEqual(await chainsOf(bed), ['main', ...names.slice(0, 10)]);
  });

  it('reports an alternate that cannot be fetched, and goes on', async () => {
    const links = alternate('/alt/1', 'http://ca.example/alt/2', '/alt/3');
    const bed = scriptedSession({
      'certificate/1': [{ body: 'main', links }],
      'alt/1': [problem('unauthorized', 403)],
      'alt/3': [{ body: 'three' }],
    });
    assert.deepEqual(await chainsOf(bed), ['main', 'three']);
    assert.equal(bed.reports.length, 2);
    assert.equal(bed.reports[0], 'alternate chain: certificate: unauthorized');
    assert.match(bed.reports[1] ?? '', /^alternate chain: certificate: alternate: /);
  });

  it('ends with what is no failure of the server', async () => {
    const gone = new Error('the signer is gone');
    const bed = scriptedSession({
      'certificate/1': [{ body: 'main', links: alternate('/alt/1') }],
      'alt/1': [gone],
    });
    await assert.rejects(chainsOf(bed), gone);
  });

  it('fails where the first cannot be fetched', async () => {
    const lost = new HttpTrouble('ACME_CONNECTION', 'lost', { isSent: true, isPassing: false });
    await assert.rejects(chainsOf(scriptedSession({ 'certificate/1': [lost] })), lost);
  });

  it('waits for a certificate that a replica does not know yet', async () => {
    const script = { 'certificate/1': [problem('malformed', 404), { body: 'main' }] };
    assert.deepEqual(await chainsOf(scriptedSession(script)), ['main']);
  });

  it('refuses a chain over 256 KiB', async () => {
    const exact = 'x'.repeat(256 * KIB);
    const fits = scriptedSession({ 'certificate/1': [{ body: exact }] });
    assert.equal((await chainsOf(fits))[0]?.length, 256 * KIB);
    const larger = scriptedSession({ 'certificate/1': [{ body: `${exact}x` }] });
    const error = await appErrorOf(() => chainsOf(larger), 'ACME_INVALID');
    assert.equal(error.message, 'certificate: chain is over 262144 bytes');
  });
});
