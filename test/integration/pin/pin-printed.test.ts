// Modules that print the PIN they get: pkcs11-spy, which writes to standard error where it has no
// file to write to, and the faulty module. No PIN may reach a log or the standard error of our
// programs that way.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runClavigerd, startClavigerd } from '../../support/daemon/clavigerd.js';
import { createFaultyToken } from '../../support/modules/fault-module.js';
import { spyOnSoftHsm } from '../../support/modules/pkcs11-spy.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';
import { createSoftHsm, SOFTHSM_MODULE } from '../../support/modules/softhsm.js';
import { recordSecret } from '../../support/transcript.js';

type SpyOutput = 'none' | 'a file that cannot be opened';

interface Fixture {
  readonly env: Readonly<Record<string, string>>;
  readonly key: string;
  readonly tokenUri: string;
  readonly pin: string;
  readonly folder: string;
}

async function makeFixture(t: TestContext, output: SpyOutput): Promise<Fixture> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('acme');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  const file = output === 'none' ? {} : { PKCS11SPY_OUTPUT: join(hsm.folder, 'none', 'spy.txt') };
  const spy = spyOnSoftHsm(hsm);
  return {
    env: { ...hsm.env, PKCS11SPY: SOFTHSM_MODULE, ...file },
    key: spy.uri(hsm.uri(token, { label: 'k' })),
    tokenUri: spy.uri(hsm.uri(token, {})),
    pin: token.pin,
    folder: hsm.folder,
  };
}

/** The spy dumps sixteen bytes a line, as hexadecimal pairs and as text. */
function assertHasNoPin(text: string, pin: string): void {
  const pairs = [...Buffer.from(pin)].map((byte) => byte.toString(16)).join(' ');
  for (const form of [pin, pairs, pairs.replaceAll(' ', '')]) {
    assert.ok(!text.toLowerCase().includes(form), text);
  }
}

describe('a PIN that the module prints', () => {
  it('is in no log, at whatever time the module prints it', async (t) => {
    const faulty = await createFaultyToken(t);
    const { hsm, uri, token } = faulty;
    faulty.setFaults('C_Login print');
    const daemon = await startClavigerd(t, { key: uri, env: hsm.env });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'signed');
    await daemon.process.stop('SIGTERM');
    const log = readFileSync(daemon.logfile, 'utf8');
    assert.match(log, /not logged, for it has had a PIN/);
    assertHasNoPin(log + daemon.process.output, token.pin);
    const { code, stdout, stderr } = await runClavigerd(
      ['key', 'generate', '--uri', uri.replace(/;object=k/, ''), '--label', 'made'],
      { env: hsm.env },
    );
    assert.equal(code, 0, stderr);
    assertHasNoPin(stdout + stderr, token.pin);
  });

  it('is not in the log of the daemon with pkcs11-spy', async (t) => {
    const { env, key, pin } = await makeFixture(t, 'a file that cannot be opened');
    const daemon = await startClavigerd(t, { key, env });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'signed');
    await daemon.process.stop('SIGTERM');
    const log = readFileSync(daemon.logfile, 'utf8');
    assert.match(log, /module says: .*C_Initialize/, 'what the spy prints does arrive');
    assert.match(log, /not logged, for it has had a PIN/);
    assertHasNoPin(log + daemon.process.output, pin);
  });

  it('is not in what `clavigerd key` prints with it', async (t) => {
    const { env, tokenUri, pin, folder } = await makeFixture(t, 'a file that cannot be opened');
    const generated = await runClavigerd(
      ['key', 'generate', '--uri', tokenUri, '--type', 'p256', '--label', 'made'],
      { env },
    );
    assert.equal(generated.code, 0, generated.stderr);
    assertHasNoPin(generated.stdout + generated.stderr, pin);
    const newPin = '8402-6194-new';
    recordSecret(newPin);
    const newPinFile = join(folder, 'new-pin');
    writeFileSync(newPinFile, newPin, { mode: 0o600 });
    const changed = await runClavigerd(
      ['key', 'pin', 'change', '--uri', tokenUri, '--new-pin-source', `file:${newPinFile}`],
      { env },
    );
    assert.equal(changed.code, 0, changed.stderr);
    assertHasNoPin(changed.stdout + changed.stderr, pin);
    assertHasNoPin(changed.stdout + changed.stderr, newPin);
  });

  it('is not printed at all where PKCS11SPY_OUTPUT is not set: the spy gets no module', async (t) => {
    const { env, key, tokenUri, pin } = await makeFixture(t, 'none');
    const daemon = await runClavigerd([`--privkey=${key}`, '--stdio'], { env });
    assert.equal(daemon.code, 2);
    assertHasNoPin(daemon.stdout + daemon.stderr, pin);
    const generated = await runClavigerd(
      ['key', 'generate', '--uri', tokenUri, '--type', 'p256', '--label', 'made'],
      { env },
    );
    assert.equal(generated.code, 2);
    assertHasNoPin(generated.stdout + generated.stderr, pin);
  });
});
