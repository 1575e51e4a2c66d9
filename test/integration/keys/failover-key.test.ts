// One account key in two SoftHSM tokens: one of them pulled out while clients sign, and put back.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runClavigerd, startClavigerd, writeKeyFile } from '../../support/daemon/clavigerd.js';
import { makeKey, type TestKey } from '../../support/keys/keys.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';
import { createSoftHsm, type SoftHsm, type SoftHsmToken } from '../../support/modules/softhsm.js';

interface Twins {
  readonly hsm: SoftHsm;
  readonly key: TestKey;
  readonly uris: readonly [string, string];
  /** Moves the folder of the first token away: what SoftHSM has of a token pulled out. */
  readonly pullFirst: () => void;
  readonly putFirstBack: () => void;
}

async function importKey(hsm: SoftHsm, token: SoftHsmToken, key: TestKey): Promise<void> {
  const [privatePath, publicPath] = ['import.der', 'import-public.der'].map((name) =>
    join(hsm.folder, name),
  );
  writeFileSync(privatePath ?? '', key.privateKey.export({ type: 'pkcs8', format: 'der' }));
  writeFileSync(publicPath ?? '', key.publicKey.export({ type: 'spki', format: 'der' }));
  const names = ['--id', '01', '--label', 'k', '--usage-sign'];
  await hsm.tool(token, '--write-object', privatePath ?? '', '--type', 'privkey', ...names);
  await hsm.tool(token, '--write-object', publicPath ?? '', '--type', 'pubkey', ...names);
}

async function makeTwins(t: TestContext): Promise<Twins> {
  const hsm = await createSoftHsm(t);
  const tokens = join(hsm.folder, 'tokens');
  const key = makeKey('ES256');
  const first = await hsm.addToken('one');
  const [folder] = readdirSync(tokens);
  const second = await hsm.addToken('two');
  await importKey(hsm, first, key);
  await importKey(hsm, second, key);
  const [place, away] = [join(tokens, folder ?? ''), join(hsm.folder, 'away')];
  return {
    hsm,
    key,
    uris: [hsm.uri(first, { label: 'k' }), hsm.uri(second, { label: 'k' })],
    pullFirst: () => {
      renameSync(place, away);
    },
    putFirstBack: () => {
      renameSync(away, place);
    },
  };
}

describe('an account key in two tokens', () => {
  it('signs on when one is pulled out under load: no request is lost', async (t) => {
    const { hsm, uris, pullFirst, putFirstBack } = await makeTwins(t);
    const state = join(hsm.folder, 'state');
    const daemon = await startClavigerd(t, { key: uris, env: hsm.env, stateDirectory: state });
    const clients = await Promise.all(
      Array.from({ length: 6 }, () => connectSigningClient(t, daemon.socket)),
    );
    const log = (): string => readFileSync(daemon.logfile, 'utf8');
    let running = true;
    const answers: string[] = [];
    const load = clients.map(async (client) => {
      while (running) {
        answers.push(await client.sign());
      }
    });
    const signed = async (count: number): Promise<void> => {
      const goal = answers.length + count;
      for (let wait = 0; answers.length < goal; wait++) {
        assert.ok(wait < 3000, log());
        await sleep(10);
      }
    };
    await signed(50);
    assert.match(log(), /signing with pkcs11:token=one/);
    pullFirst();
    await signed(400);
    running = false;
    await Promise.all(load);
    assert.deepEqual([...new Set(answers)], ['signed']);
    assert.match(log(), /the next place is asked/);
    assert.match(log(), /signing with pkcs11:token=two/);
    putFirstBack();
    assert.equal(await clients[1]?.sign(), 'signed');
  });

  it('starts with one of them, and is refused when they are two keys', async (t) => {
    const { hsm, uris, pullFirst } = await makeTwins(t);
    const other = await writeKeyFile(hsm.folder, makeKey('ES256'));
    const config = join(hsm.folder, 'clavigerd.toml');
    writeFileSync(config, `privkey = ${JSON.stringify([uris[0], other])}\n`, { mode: 0o600 });
    const { code, stderr } = await runClavigerd([`--config=${config}`, '--stdio'], {
      env: hsm.env,
    });
    assert.equal(code, 1);
    assert.match(stderr, /clavigerd: error: privkey: pkcs11:.* and file:.* hold different keys/);
    pullFirst();
    const daemon = await startClavigerd(t, { key: uris, env: hsm.env });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'signed');
  });

  it('is shown by --check as a list', async (t) => {
    const { hsm, uris } = await makeTwins(t);
    const config = join(hsm.folder, 'clavigerd.toml');
    const text = `privkey = ${JSON.stringify(uris)}\nsocket = "${hsm.folder}/S"\n`;
    writeFileSync(config, text, { mode: 0o600 });
    const { code, stdout } = await runClavigerd([`--config=${config}`, '--check']);
    assert.equal(code, 0);
    assert.match(stdout, /^privkey = \[ "pkcs11:token=one;.*", "pkcs11:token=two;.*" \]$/m);
    for (const bad of ['privkey = []', 'privkey = ["file:/x", 3]']) {
      writeFileSync(config, `${bad}\n`, { mode: 0o600 });
      assert.equal((await runClavigerd([`--config=${config}`, '--check'])).code, 2);
    }
  });
});
