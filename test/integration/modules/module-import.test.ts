// `clavigerd key import` with modules other than SoftHSM: what they take signs, what they do not
// take leaves nothing behind.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ModuleBed } from '../../support/modules/module-bed.js';
import { createNss } from '../../support/modules/nss.js';
import { startOpencryptoki } from '../../support/modules/opencryptoki.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { startTpm } from '../../support/modules/tpm.js';
import { recordPrivateKey } from '../../support/transcript.js';
import { makeKeyPair } from '../../support/key-pair.js';

function key(bed: ModuleBed, ...args: readonly string[]): Promise<CommandResult> {
  const inside = bed.inside(process.execPath, [CLAVIGERD, 'key', ...args]);
  return runCommand(inside.command, inside.args, { env: bed.env });
}

function uriOf({ token, moduleName, pinFile }: ModuleBed, object = ''): string {
  return `pkcs11:${token}${object}?module-name=${moduleName}&pin-source=${pinFile}`;
}

async function keyFile(scope: Scope): Promise<string> {
  const { privateKey } = makeKeyPair('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  recordPrivateKey(pem);
  const path = join(await makeTempDir(scope), 'key.pem');
  writeFileSync(path, pem, { mode: 0o600 });
  return path;
}

function importInto(bed: ModuleBed, file: string): Promise<CommandResult> {
  return key(bed, 'import', file, '--uri', uriOf(bed), '--label', 'imported');
}

/** The lines of keys that the token shows after a login. */
async function labelsIn(bed: ModuleBed): Promise<string> {
  const { code, stdout, stderr } = await key(bed, 'list', '--uri', uriOf(bed), '--login');
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('key import, other modules', () => {
  it('NSS softokn: takes a P-256 key, which signs, and deletes it again', async (t) => {
    const bed = await createNss(t);
    const made = await importInto(bed, await keyFile(t));
    assert.equal(made.code, 0, made.stderr);
    const uri = uriOf(bed, ';object=imported');
    const test = await key(bed, 'test', uri, '--count', '2');
    assert.match(test.stdout, /^signatures: +2, each verified: all right$/m, test.stderr);
    const deleted = await key(bed, 'delete', uri, '--yes-delete', 'imported');
    assert.match(deleted.stdout, /private keys 1, public keys 1/, deleted.stderr);
    assert.doesNotMatch(await labelsIn(bed), /imported/);
  });

  it('opencryptoki: a key it stores and cannot sign with is taken out again', async (t) => {
    const bed = await startOpencryptoki(t);
    const { code, stderr } = await importInto(bed, await keyFile(t));
    assert.equal(code, 1);
    assert.match(stderr, /the token does not sign ES256/);
    assert.doesNotMatch(await labelsIn(bed), /imported/);
  });

  it('tpm2-pkcs11: takes none, and the command says so', async (t) => {
    const bed = await startTpm(t);
    const { code, stderr } = await importInto(bed, await keyFile(t));
    assert.equal(code, 1);
    assert.match(stderr, /C_CreateObject: CKR_.*\n.*not every token takes a key from outside/);
    assert.doesNotMatch(await labelsIn(bed), /imported/);
  });
});
