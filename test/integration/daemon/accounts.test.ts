// Several accounts in one daemon: keys of a token, of files; one that is away, one that cannot be.
// Real tokens.

import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { askOnce, makeSectionBed, startInBed } from '../../support/daemon/daemon-sections.js';
import { makeKey } from '../../support/keys/keys.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { createSoftHsm, SOFTHSM_MODULE } from '../../support/modules/softhsm.js';

const KEY_ID = 'https://ca.example/acct/7';

async function greetingOf(socket: string): Promise<{ greeting: string; jwk: string }> {
  const client = await connectLineClient(socket);
  const greeting = await client.readGreeting();
  client.close();
  return greeting;
}

describe('several accounts', () => {
  it('sign with their own keys, under their own key IDs', async (t) => {
    const hsm = await createSoftHsm(t);
    const tokens = [await hsm.addToken('one'), await hsm.addToken('two')] as const;
    const key = { label: 'account', id: '01', type: 'EC:prime256v1' } as const;
    await hsm.addKey(tokens[0], key);
    await hsm.addKey(tokens[1], key);
    const bed = await makeSectionBed(
      t,
      `privkey = "file:@/account.pem"
[account.one]
privkey = ${JSON.stringify(hsm.uri(tokens[0], key))}
keyid = "${KEY_ID}"
[account.two]
privkey = ${JSON.stringify(hsm.uri(tokens[1], key))}
[account.unused]
privkey = "file:/nonexistent"
[[listen]]
socket = "@/file"
[[listen]]
socket = "@/one"
account = "one"
[[listen]]
socket = "@/one-more"
account = "one"
[[listen]]
socket = "@/two"
account = "two"
`,
    );
    const daemon = await startInBed(t, bed, { env: hsm.env, waitFor: { socket: bed.path('two') } });
    await daemon.waitFor({ socket: bed.path('one-more') });
    const file = await greetingOf(bed.path('file'));
    assert.deepEqual(JSON.parse(file.jwk), jwkOfKey(bed.key.publicKey));
    const two = await greetingOf(bed.path('two'));
    assert.notEqual(two.jwk, file.jwk);
    for (const name of ['one', 'one-more']) {
      const { greeting, jwk } = await greetingOf(bed.path(name));
      assert.equal(jwk, '{}');
      assert.ok(greeting.includes(KEY_ID), greeting);
      assert.equal(await askOnce(t, bed.path(name), { kid: KEY_ID }), 'signed');
      assert.match(await askOnce(t, bed.path(name)), /"denied"/, 'the key ID of no other account');
    }
    assert.equal(await askOnce(t, bed.path('two')), 'signed');
    assert.equal(await askOnce(t, bed.path('file')), 'signed');
    assert.equal((await daemon.stop()).code, 0);
  });

  it('do not wait for the token of another one', async (t) => {
    const hsm = await createSoftHsm(t);
    await hsm.addToken('other');
    const bed = await makeSectionBed(
      t,
      `[account.here]
privkey = "file:@/account.pem"
[account.away]
privkey = "pkcs11:token=later;object=account?module-path=${SOFTHSM_MODULE}&pin-source=file:${hsm.folder}/pin-2"
[[listen]]
socket = "@/away"
account = "away"
[[listen]]
socket = "@/here"
account = "here"
`,
    );
    const daemon = await startInBed(t, bed, {
      env: hsm.env,
      waitFor: /waiting account=away reason=/,
    });
    assert.match(daemon.stderr, /key account=away message=/);
    assert.equal(await askOnce(t, bed.path('here')), 'signed');
    assert.equal(await askOnce(t, bed.path('away')), 'closed');
    assert.match(daemon.stderr, /not-greeted listener=away reason=/);
    const later = await hsm.addToken('later');
    await hsm.addKey(later, { label: 'account', id: '01', type: 'EC:prime256v1' });
    await daemon.waitFor({ socket: bed.path('away') });
    let answer = await askOnce(t, bed.path('away'));
    for (let tries = 0; answer === 'closed' && tries < 100; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await askOnce(t, bed.path('away'));
    }
    assert.equal(answer, 'signed');
  });

  it('end the start together when one cannot be opened for good', async (t) => {
    const bed = await makeSectionBed(
      t,
      `privkey = "file:@/account.pem"
[account.bad]
privkey = "file:@/bad.pem"
[[listen]]
socket = "@/good"
[[listen]]
socket = "@/bad"
account = "bad"
`,
    );
    await writeFile(bed.path('bad.pem'), 'no key', { mode: 0o600 });
    const { code, stderr } = await runClavigerd([`--config=${bed.config}`], { timeoutMs: 20_000 });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /bad\.pem/);
    await assert.rejects(stat(bed.path('good')), /ENOENT/);
    await assert.rejects(stat(bed.path('bad')), /ENOENT/);
  });

  it('need no key at the top when nobody listens for it', async (t) => {
    const bed = await makeSectionBed(
      t,
      `[account.only]\nprivkey = "file:@/account.pem"\n[[listen]]\nsocket = "@/S"\naccount = "only"\n`,
    );
    await startInBed(t, bed, { waitFor: { socket: bed.path('S') } });
    assert.equal(await askOnce(t, bed.path('S')), 'signed');
    await writeFile(bed.path('other.pem'), makeKey('ES256').pem, { mode: 0o600 });
    const privkey = `--privkey=file:${bed.path('other.pem')}`;
    const { code, stderr } = await runClavigerd([`--config=${bed.config}`, privkey]);
    assert.equal(code, 2);
    assert.match(stderr, /--privkey is the default account/);
  });
});
