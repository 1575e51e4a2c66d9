// The unit files, as systemd's own tools judge them. No service manager runs here.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { mustRun, runCommand } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const UNITS = join(ROOT, 'systemd');
const PROGRAM = /^(ExecStart=)\/usr\/bin\/(clavigerd|claviger)\b/m;
// systemd's scale goes from 0 (safe) to 10; in tenths, what the daemon must not exceed.
const MAX_EXPOSURE_TENTHS = 15;

/**
 * Copies the units to a folder of their own, with stand-ins for programs that are not installed
 * here.
 */
async function copyUnits(scope: Scope): Promise<string[]> {
  const folder = await makeTempDir(scope);
  const names = (await readdir(UNITS)).filter((name) => /\.(service|socket|timer)$/.test(name));
  for (const name of names) {
    const text = await readFile(join(UNITS, name), 'utf8');
    const program = PROGRAM.exec(text)?.[2];
    if (program !== undefined) {
      await writeFile(join(folder, program), '#!/bin/sh\n', { mode: 0o755 });
    }
    await writeFile(join(folder, name), text.replace(PROGRAM, `$1${join(folder, '$2')}`));
  }
  return names.map((name) => join(folder, name));
}

/** The names of the checks of its sandbox that a service passes, by systemd's own judgement. */
async function passedChecks(service: string): Promise<string[]> {
  const { stdout } = await runCommand('systemd-analyze', [
    ...['security', '--offline=true', '--no-pager', '--json=short'],
    service,
  ]);
  const checks: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(checks) && checks.length > 50);
  return checks.flatMap((check: unknown) => {
    assert.ok(typeof check === 'object' && check !== null && 'set' in check && 'name' in check);
    return check.set === true ? [String(check.name)] : [];
  });
}

describe('systemd units', () => {
  it('are all there', async () => {
    assert.deepEqual((await readdir(UNITS)).sort(), [
      'claviger-renew.service',
      'claviger-renew.timer',
      'clavigerd.service',
      'clavigerd.socket',
      'clavigerd@.socket',
      'drop-ins',
      'sysusers.d',
      'tmpfiles.d',
    ]);
  });

  it('pass systemd-analyze verify', async (t) => {
    const units = await copyUnits(t);
    const result = await runCommand('systemd-analyze', ['verify', '--man=no', ...units]);
    // It reads the machine's units too, and may have something to say of those.
    const ours = result.stderr.split('\n').filter((line) => line.includes('claviger'));
    assert.deepEqual(ours, []);
    assert.equal(result.code, 0, result.stderr);
  });

  it('would not pass with an unknown setting', async (t) => {
    const units = await copyUnits(t);
    const service = units.find((path) => path.endsWith('clavigerd.service')) ?? '';
    await writeFile(service, `${await readFile(service, 'utf8')}\n[Service]\nPrivateNetwrok=yes\n`);
    const result = await runCommand('systemd-analyze', ['verify', '--man=no', service]);
    assert.match(result.stderr, /PrivateNetwrok/);
  });

  it('keep the daemon in a sandbox that systemd rates as safe', async (t) => {
    const units = await copyUnits(t);
    const service = units.find((path) => path.endsWith('clavigerd.service')) ?? '';
    const result = await runCommand('systemd-analyze', [
      'security',
      '--offline=true',
      '--no-pager',
      `--threshold=${MAX_EXPOSURE_TENTHS}`,
      service,
    ]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
  });

  it('start the daemon again after a failure, with a place to note refused PINs in', async () => {
    const service = await readFile(join(UNITS, 'clavigerd.service'), 'utf8');
    const setting = (name: string): string =>
      new RegExp(`^${name}=(.*)$`, 'm').exec(service)?.[1] ?? '';
    assert.equal(setting('Restart'), 'on-failure');
    assert.equal(setting('RestartPreventExitStatus'), '2');
    // Without it each restart would be another attempt with the PIN.
    assert.equal(setting('StateDirectory'), 'claviger');
    assert.equal(setting('StateDirectoryMode'), '0700');
  });

  it('give the daemon a folder of its own for the audit log', async () => {
    const service = await readFile(join(UNITS, 'clavigerd.service'), 'utf8');
    assert.match(service, /^LogsDirectory=claviger$/m);
    assert.match(service, /^LogsDirectoryMode=0700$/m);
    const example = await readFile(join(ROOT, 'docs/examples/clavigerd.toml'), 'utf8');
    assert.match(example, /^audit-log = "\/var\/log\/claviger\//m);
  });

  it('pass the one daemon several sockets, each by a name of its own', async (t) => {
    const settingsOf = async (name: string): Promise<ReadonlyMap<string, string>> => {
      const lines = (await readFile(join(UNITS, name), 'utf8')).split('\n');
      const pairs = lines.map((line) => /^(\w+)=(.*)$/.exec(line) ?? []);
      return new Map(pairs.map(([, key = '', value = '']) => [key, value]));
    };
    const admin = await settingsOf('clavigerd.socket');
    const more = await settingsOf('clavigerd@.socket');
    assert.equal(admin.get('FileDescriptorName'), 'admin');
    assert.equal(more.get('FileDescriptorName'), '%i');
    assert.equal(more.get('Service'), 'clavigerd.service');
    assert.equal(more.get('RequiredBy'), 'clavigerd.service');
    assert.equal(more.get('SocketMode'), '0600');
    // An instance, with the drop-in that its comment gives.
    const units = await copyUnits(t);
    const template = units.find((path) => path.endsWith('clavigerd@.socket')) ?? '';
    const text = await readFile(template, 'utf8');
    const dropIn = /^# {3}(\[Socket\]\n)# {3}(.*\n)# {3}(.*)GROUP\n/m.exec(text)?.slice(1) ?? [];
    assert.deepEqual(dropIn, ['[Socket]\n', 'SocketMode=0660\n', 'SocketGroup=']);
    const instance = template.replace('@.', '@web1.');
    await copyFile(template, instance);
    await mkdir(`${instance}.d`);
    await writeFile(`${instance}.d/override.conf`, `${dropIn.join('')}root\n`);
    const verified = await runCommand('systemd-analyze', ['verify', '--man=no', instance]);
    const ours = verified.stderr.split('\n').filter((line) => line.includes('claviger'));
    assert.deepEqual(ours, []);
    assert.equal(verified.code, 0, verified.stderr);
  });

  it('let systemd make no socket that is open to everybody, as it does unless told', async () => {
    const sockets = (await readdir(UNITS)).filter((name) => name.endsWith('.socket'));
    assert.equal(sockets.length, 2);
    for (const name of sockets) {
      const text = await readFile(join(UNITS, name), 'utf8');
      assert.deepEqual(text.match(/^SocketMode=.*$/gm), ['SocketMode=0600'], name);
      assert.doesNotMatch(text, /^(Accept|ListenDatagram|ListenSequentialPacket)=/m);
    }
  });

  for (const [dropIn, loosens] of [
    // The last: it denies all addresses but those that are listed.
    [
      'network-hsm',
      ['PrivateNetwork=', 'RestrictAddressFamilies=~AF_(INET|INET6)', 'IPAddressDeny='],
    ],
    ['softhsm', ['SupplementaryGroups=']],
  ] as const) {
    it(`take the drop-in ${dropIn}.conf, which opens what it says and no more`, async (t) => {
      const units = await copyUnits(t);
      const service = units.find((path) => path.endsWith('clavigerd.service')) ?? '';
      const before = await passedChecks(service);
      await mkdir(`${service}.d`);
      await copyFile(
        join(UNITS, `drop-ins/${dropIn}.conf`),
        join(`${service}.d`, `${dropIn}.conf`),
      );
      const verified = await runCommand('systemd-analyze', ['verify', '--man=no', service]);
      const ours = verified.stderr.split('\n').filter((line) => line.includes('claviger'));
      assert.deepEqual(ours, []);
      assert.equal(verified.code, 0, verified.stderr);
      const after = await passedChecks(service);
      const lost = before.filter((check) => !after.includes(check));
      assert.deepEqual(lost, loosens);
      const text = await readFile(join(UNITS, 'clavigerd.service'), 'utf8');
      assert.ok(text.includes(`drop-ins/${dropIn}.conf`), 'the unit names it');
      const settings = await readFile(join(UNITS, `drop-ins/${dropIn}.conf`), 'utf8');
      assert.doesNotMatch(settings, /^(IPAddressDeny|ProtectSystem|IPAddressAllow=any)/m);
    });
  }

  it('start the programs that package.json installs', async () => {
    const parsed: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.ok(typeof parsed === 'object' && parsed !== null && 'bin' in parsed);
    assert.ok(typeof parsed.bin === 'object' && parsed.bin !== null);
    const programs = Object.keys(parsed.bin).sort();
    const started: string[] = [];
    for (const name of ['claviger-renew.service', 'clavigerd.service']) {
      started.push(
        PROGRAM.exec(await readFile(join(UNITS, name), 'utf8'))?.[2] ?? `none in ${name}`,
      );
    }
    assert.deepEqual(started.sort(), programs);
  });

  it('name a user that systemd-sysusers can make', async (t) => {
    const root = await makeTempDir(t);
    const folder = join(root, 'usr/lib/sysusers.d');
    await mkdir(folder, { recursive: true });
    await mkdir(join(root, 'etc'));
    await copyFile(join(UNITS, 'sysusers.d/claviger.conf'), join(folder, 'claviger.conf'));
    await mustRun('systemd-sysusers', [`--root=${root}`]);
    const users = await readFile(join(root, 'etc/passwd'), 'utf8');
    assert.match(
      users,
      /^clavigerd:[^:]*:\d+:\d+:Claviger signing daemon:\/var\/lib\/claviger:\/usr\/sbin\/nologin$/m,
    );
    const service = await readFile(join(UNITS, 'clavigerd.service'), 'utf8');
    assert.match(service, /^User=clavigerd$/m);
  });
});
