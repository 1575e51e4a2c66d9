// docs/guides/keys-in-hardware.md from its own text: each command of clavigerd runs on the token
// that it is about, and `clavigerd --check` accepts the configuration. A YubiKey and a TPM in
// software, and SoftHSM.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { adapt, blocksOf, readGuide } from '../../support/guide.js';
import { multiarchLibrary } from '../../support/modules/multiarch.js';
import { startPivCards } from '../../support/modules/piv-card.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { startTpm } from '../../support/modules/tpm.js';
import { recordSecret } from '../../support/transcript.js';

const GUIDE = readGuide('docs/guides/keys-in-hardware.md');
/** As cards are delivered, and as the emulated one has it. */
const MANAGEMENT_KEY = '010203040506070801020304050607080102030405060708';

type Changes = readonly (readonly [string, string])[];

/**
 * Runs each line of the sh blocks under a heading. Words in double quotes are one word; there is no
 * shell.
 */
async function runBlocks(
  heading: string,
  changes: Changes,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  let output = '';
  const lines = blocksOf(GUIDE, heading, 'sh').flatMap((text) => text.trim().split('\n'));
  for (const line of lines.filter((text) => text.startsWith('clavigerd '))) {
    const present = changes.filter(([from]) => line.includes(from));
    const words = [...adapt(line, present).matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    );
    const result = await runCommand(process.execPath, [CLAVIGERD, ...words.slice(1)], { env });
    assert.equal(result.code, 0, `${line}\n${result.stderr}`);
    output += result.stdout;
  }
  return output;
}

/** `clavigerd --check` on the configuration of the guide. */
async function checkConfiguration(
  t: TestContext,
  heading: string,
  changes: Changes,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const [text = ''] = blocksOf(GUIDE, heading, 'toml');
  const folder = await makeTempDir(t);
  const config = join(folder, 'clavigerd.toml');
  writeFileSync(config, `${adapt(text, changes)}socket = "${folder}/S"\n`, { mode: 0o600 });
  const args = [CLAVIGERD, '--check', `--config=${config}`];
  const { code, stderr } = await runCommand(process.execPath, args, { env });
  assert.equal(code, 0, stderr);
}

function secretFile(folder: string, name: string, secret: string): string {
  const path = join(folder, name);
  recordSecret(secret);
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return path;
}

describe('the guide to keys in hardware', () => {
  it('has a YubiKey make a key, attest it, and sign', async (t) => {
    const bed = await startPivCards(t);
    const card = await bed.makeCard({ '9a': 'p256' });
    await bed.insert(card);
    const management = join(bed.folder, 'management-key');
    writeFileSync(management, MANAGEMENT_KEY, { mode: 0o600 });
    const changes: Changes = [
      ['/etc/claviger/management-key', management],
      ['/etc/claviger/pin', card.pinFile],
    ];
    const output = await runBlocks('A YubiKey', changes, bed.env);
    assert.match(output, /^subject: CN=YubiKey PIV Attestation 9c$/m);
    assert.match(output, /^signatures: +2, each verified: all right$/m);
    const named: Changes = [
      ['SERIAL', String(card.serial)],
      ['/etc/claviger/pin', card.pinFile],
    ];
    await checkConfiguration(t, 'A YubiKey', named, bed.env);
  });

  it('makes a key with a TPM', async (t) => {
    const tpm = await startTpm(t);
    const changes: Changes = [['/etc/claviger/pin', tpm.pinFile]];
    const tools = blocksOf(GUIDE, 'A TPM 2.0', 'sh').join('');
    assert.ok(
      tools.includes(multiarchLibrary('pkcs11/libtpm2_pkcs11.so')) || process.arch !== 'x64',
    );
    const output = await runBlocks('A TPM 2.0', changes, tpm.env);
    assert.match(output, /^signatures: +2, each verified: all right$/m);
    await checkConfiguration(t, 'A TPM 2.0', changes, tpm.env);
  });

  it('makes a token of SoftHSM', async (t) => {
    const { env, folder } = await createSoftHsm(t);
    mkdirSync(join(folder, 'pins'), { mode: 0o700 });
    const pin = (): string => randomBytes(6).toString('hex');
    const pinFile = secretFile(join(folder, 'pins'), 'pin', pin());
    const changes: Changes = [
      ['/etc/claviger/so-pin', secretFile(join(folder, 'pins'), 'so-pin', pin())],
      ['/etc/claviger/pin', pinFile],
    ];
    const output = await runBlocks('SoftHSM', changes, env);
    assert.match(output, /^signatures: +2, each verified: all right$/m);
    await checkConfiguration(t, 'SoftHSM', [['/etc/claviger/pin', pinFile]], env);
  });
});
