// A module that cannot start in a process without a network, as under the shipped unit: the hint
// says what that may be, and says it there alone. A real module and a real network namespace.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { moduleProfiles } from '../../../src/keys/pkcs11/module-profile.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGERD, ROOT } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';

const DROP_IN = /network-hsm\.conf/;
/** What the profiles of modules and the hints name. */
const NAMED_DROP_IN = /drop-in ([a-z-]+\.conf)/;

describe('a module that does not start', () => {
  for (const [where, before, isTold] of [
    ['without a network', ['unshare', '--net'], true],
    ['with a network', ['env'], false],
  ] as const) {
    it(`${where} is ${isTold ? '' : 'not '}said to need the drop-in of the unit`, async (t) => {
      const folder = await makeTempDir(t);
      const conf = join(folder, 'softhsm2.conf');
      writeFileSync(conf, `directories.tokendir = ${folder}/missing\n`);
      const [command, ...args] = before;
      const list = [process.execPath, CLAVIGERD, 'key', 'list', '--module-name=softhsm2'];
      const result = await runCommand(command, [...args, ...list], {
        env: { SOFTHSM2_CONF: conf },
      });
      assert.notEqual(result.code, 0);
      assert.match(result.stderr, /module: C_Initialize: CKR_GENERAL_ERROR/);
      assert.match(
        result.stderr,
        /hint: the configuration of the module is missing or not readable/,
      );
      assert.equal(DROP_IN.test(result.stderr), isTold, result.stderr);
    });
  }
});

describe('the drop-ins that profiles of modules name', () => {
  const named = moduleProfiles().flatMap(({ name, notes }) =>
    notes.flatMap((note) =>
      (NAMED_DROP_IN.exec(note) ?? []).slice(1).map((file) => ({ name, file })),
    ),
  );

  it('are shipped', () => {
    assert.ok(named.length > 0);
    for (const { name, file } of named) {
      assert.ok(existsSync(join(ROOT, 'systemd/drop-ins', basename(file))), `${name}: ${file}`);
    }
  });

  it('are those of all modules of network HSMs, and of SoftHSM', () => {
    const of = (file: string): string[] =>
      named.filter((each) => each.file === file).map(({ name }) => name);
    assert.deepEqual(of('network-hsm.conf'), [
      'aws-cloudhsm',
      'thales-luna',
      'utimaco',
      'yubihsm2',
    ]);
    assert.deepEqual(of('softhsm.conf'), ['softhsm2']);
  });
});
