// The Debian package as `npm run package` builds it: looked into, judged by lintian, and built
// twice. That it works once installed is a matter of a Debian system of its own.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { npmEnvironment } from '../support/npm.js';
import { mustRun } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { suiteScope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';

const BUILD_TIMEOUT_MS = 150_000;
/** Of the commit, normally; a tree without its history has none. */
const TIME_STAMP_S = '1790000000';

/** Builds with the programs in dist/, which other tests run at the same time; gives the path. */
async function buildPackage(output: string, args: readonly string[] = []): Promise<string> {
  await mkdir(output);
  const script = join(ROOT, 'packaging/package.sh');
  await mustRun('bash', [script, '--no-build', '--output', output, ...args], {
    env: {
      ...npmEnvironment(),
      SOURCE_DATE_EPOCH: TIME_STAMP_S,
      CLAVIGER_COMPRESSION: args.length === 0 ? 'xz' : 'none', // which takes long for a runtime
    },
    timeoutMs: BUILD_TIMEOUT_MS,
  });
  const [name = '', ...rest] = await readdir(output);
  assert.deepEqual(rest, []);
  return join(output, name);
}

describe('the Debian package', () => {
  const scope = suiteScope();
  let folder = '';
  let first = '';
  let files: string[] = [];

  before(async () => {
    folder = await makeTempDir(scope);
    first = await buildPackage(join(folder, 'first'));
    const contents = await mustRun('dpkg-deb', ['--contents', first]);
    files = contents
      .trim()
      .split('\n')
      .map((line) => (line.split(/\s+/)[5] ?? '').replace(/^\./, ''));
  });

  it('is the same, byte by byte, when it is built again', async () => {
    const second = await buildPackage(join(folder, 'second'));
    assert.deepEqual(await readFile(second), await readFile(first));
  });

  it('has no fault that lintian sees', async () => {
    const found = await mustRun('lintian', ['--allow-root', '--fail-on=none', first], {
      env: { TMPDIR: folder },
    });
    assert.equal(found, '');
  });

  it('holds programs, units, manuals and what the system needs to know', async () => {
    const manuals = (await readdir(join(ROOT, 'docs/man'))).map(
      (name) => `/usr/share/man/man${name.slice(-1)}/${name}.gz`,
    );
    for (const name of [
      '/usr/bin/claviger',
      '/usr/bin/clavigerd',
      '/usr/lib/claviger/dist/bin/token/helper.js',
      '/usr/lib/claviger/node_modules/pkcs11js/build/Release/pkcs11.node',
      '/usr/lib/claviger/native-config/modules/softhsm2.json',
      '/lib/systemd/system/clavigerd.service',
      '/lib/systemd/system/clavigerd@.socket',
      '/lib/systemd/system/claviger-renew.timer',
      '/usr/lib/sysusers.d/claviger.conf',
      '/usr/lib/tmpfiles.d/claviger.conf',
      '/usr/share/polkit-1/rules.d/50-claviger.rules',
      '/etc/apparmor.d/clavigerd',
      '/etc/logrotate.d/claviger',
      '/usr/share/doc/claviger/sbom.cdx.json',
      '/usr/share/doc/claviger/copyright',
      ...manuals,
    ]) {
      const found = files.some((file) => file === name || file === `/usr${name}`);
      assert.ok(found, `${name} is in the package`);
    }
    const unwanted = files.filter((name) =>
      /\.map$|\.ts$|\/test\/|node_modules\/\.|\.cpp$/.test(name),
    );
    assert.deepEqual(unwanted, []);
  });

  it('depends on a Node that is new enough, or carries one', async () => {
    const depends = await mustRun('dpkg-deb', ['--field', first, 'Depends']);
    assert.match(depends, /\bnodejs \(>= 20\.19\)/);
    const carrying = await buildPackage(join(folder, 'carrying'), ['--carry-node']);
    const [own, contents] = await Promise.all([
      mustRun('dpkg-deb', ['--field', carrying, 'Depends']),
      mustRun('dpkg-deb', ['--contents', carrying]),
    ]);
    assert.doesNotMatch(own, /nodejs/);
    assert.match(contents, / \.\/usr\/lib\/claviger\/bin\/node\n/);
  });

  it('makes the user before the folders that belong to it', async () => {
    const control = join(folder, 'control');
    await mustRun('dpkg-deb', ['--control', first, control]);
    const script = await readFile(join(control, 'postinst'), 'utf8');
    const user = script.indexOf('systemd-sysusers');
    const folders = script.indexOf('systemd-tmpfiles');
    assert.ok(user !== -1 && user < folders, script);
  });

  for (const profile of ['clavigerd', 'claviger']) {
    it(`has an AppArmor profile of ${profile} that the parser takes`, async () => {
      const path = join(ROOT, 'packaging/apparmor', profile);
      await mustRun('apparmor_parser', ['--skip-kernel-load', '--skip-cache', path]);
    });
  }

  it('has a list of what it carries, without what differs from run to run', async () => {
    const list = await mustRun('sh', [
      '-c',
      'dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/share/doc/claviger/sbom.cdx.json',
      'sh',
      first,
    ]);
    assert.match(list, /"bomFormat": "CycloneDX"/);
    assert.match(list, /"pkg:npm\/pkcs11js@/);
    assert.doesNotMatch(list, /serialNumber|typescript/);
  });
});
