// Several listeners of one daemon, each with its own rights: who gets in, what they may ask, how
// many they are. And every way in which the daemon must not start with them. Real processes, real
// sockets.

import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import {
  askOnce,
  makeSectionBed,
  orderFor,
  startInBed,
} from '../../support/daemon/daemon-sections.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';

/** No group of that number need exist. */
const GROUP = 47_111;
const NOBODY = 65_534;

const SECTIONS = `
privkey = "file:@/account.pem"

[policy.web]
operations = ["read", "new-order"]
identifiers = ["www.example.org"]

[[listen]]
name = "admin"
socket = "@/admin"

[[listen]]
name = "web"
socket = "@/web"
mode = "0660"
group = ${GROUP}
policy = "web"
`;

/** What a user of these groups gets from the socket: the greeting, or the code of the error. */
async function connectAs(groups: string, socket: string): Promise<string> {
  const script = `const s = require('node:net').connect(process.argv[1]);
    s.on('error', (e) => { console.log(e.code); });
    s.on('data', (d) => { console.log(String(d).slice(0, 4)); s.destroy(); });`;
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`];
  const args = [...user, groups, process.execPath, '-e', script, socket];
  return (await runCommand('setpriv', args, { timeoutMs: 20_000 })).stdout.trim();
}

describe('several listeners', () => {
  it('have the mode and the group they name', async (t) => {
    const bed = await makeSectionBed(t, SECTIONS);
    await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    const admin = await stat(bed.path('admin'));
    const web = await stat(bed.path('web'));
    assert.equal(admin.mode & 0o777, 0o600);
    assert.equal(web.mode & 0o777, 0o660);
    assert.equal(web.gid, GROUP);
    assert.notEqual(admin.gid, GROUP);
    assert.equal(await connectAs(`--groups=${GROUP}`, bed.path('web')), '1 OK');
    assert.equal(await connectAs(`--groups=${GROUP}`, bed.path('admin')), 'EACCES');
    assert.equal(await connectAs('--clear-groups', bed.path('web')), 'EACCES');
  });

  it('let their clients do what their policy says, and no more', async (t) => {
    const bed = await makeSectionBed(t, SECTIONS);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    const own = orderFor('www.example.org');
    const other = orderFor('mail.example.org');
    assert.equal(await askOnce(t, bed.path('admin'), own), 'signed');
    assert.equal(await askOnce(t, bed.path('admin'), other), 'signed');
    assert.equal(await askOnce(t, bed.path('web'), own), 'signed');
    assert.match(await askOnce(t, bed.path('web'), other), /"code":"denied".*mail\.example\.org/);
    const deactivate = { payload: { status: 'deactivated' } };
    assert.equal(await askOnce(t, bed.path('admin'), deactivate), 'signed');
    assert.match(await askOnce(t, bed.path('web'), deactivate), /"code":"denied"/);
    await daemon.stop();
    const log = await readFile(bed.logfile, 'utf8');
    assert.match(log, /ready listener=admin account=default key=\S+ .* socket=\S+\/admin/);
    assert.match(log, /ready listener=web account=default key=\S+ .* policy=web socket=\S+\/web/);
    assert.match(log, /signed conn=admin\/1 op=new-order/);
    assert.match(log, /signed conn=web\/\d+ op=new-order .*www\.example\.org/);
    assert.match(log, /refused conn=web\/\d+ op=new-order .* rule=web\.identifiers/);
    const numbers = [...log.matchAll(/ connected conn=(\S+)/g)].map(([, name]) => name);
    assert.equal(new Set(numbers).size, numbers.length, 'a connection has a name of its own');
  });

  it('are told of policies that none of them has', async (t) => {
    const forgotten = SECTIONS.replace('policy = "web"\n', '');
    const bed = await makeSectionBed(t, `${forgotten}\n[policy.other]\noperations = ["read"]\n`);
    const used = await makeSectionBed(t, SECTIONS);
    for (const each of [bed, used]) {
      const daemon = await startInBed(t, each, { waitFor: { socket: each.path('web') } });
      await daemon.stop();
    }
    const told = [
      ...(await readFile(bed.logfile, 'utf8')).matchAll(/ unused message="\[policy\.(\w+)\]/g),
    ];
    assert.deepEqual(told.map(([, name]) => name).sort(), ['other', 'web']);
    assert.doesNotMatch(await readFile(used.logfile, 'utf8'), / unused /);
  });

  it('have limits of their own', async (t) => {
    const bed = await makeSectionBed(t, `${SECTIONS}max-connections = 1\n`);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    const first = await connectLineClient(bed.path('web'));
    await first.readGreeting();
    assert.equal(await askOnce(t, bed.path('web')), 'closed', 'one client was all');
    await daemon.waitFor(/refused listener=web code=busy reason="1 connections are open"/);
    const others = [await connectLineClient(bed.path('admin'))];
    others.push(await connectLineClient(bed.path('admin')));
    for (const client of others) {
      await client.readGreeting();
    }
    [first, ...others].forEach((client) => {
      client.close();
    });
  });

  it('are all gone when the daemon stops', async (t) => {
    const bed = await makeSectionBed(t, SECTIONS);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
    for (const name of ['admin', 'web']) {
      await assert.rejects(stat(bed.path(name)), /ENOENT/);
    }
  });

  it('are all gone, though the place of one of them is', async (t) => {
    const bed = await makeSectionBed(
      t,
      'privkey = "file:@/account.pem"\n[[listen]]\nsocket = "@/a/S"\n[[listen]]\nname = "b"\nsocket = "@/b"\n',
    );
    await mkdir(bed.path('a'), { mode: 0o700 });
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('b') } });
    await rm(bed.path('a'), { recursive: true });
    await writeFile(bed.path('a'), '');
    await daemon.stop('SIGTERM');
    assert.deepEqual(await daemon.exited, { code: 0, signal: null }, daemon.stderr);
    await assert.rejects(stat(bed.path('b')), { code: 'ENOENT' });
  });

  it('are not left behind when one of them cannot be', async (t) => {
    const bed = await makeSectionBed(t, SECTIONS);
    await writeFile(bed.path('web'), 'precious');
    const { code, stderr } = await runClavigerd([`--config=${bed.config}`]);
    assert.equal(code, 1);
    assert.match(stderr, /\/web: exists, and is not a socket/);
    await assert.rejects(stat(bed.path('admin')), /ENOENT/);
    assert.equal(await readFile(bed.path('web'), 'utf8'), 'precious');
  });

  it('do not start with a group that the daemon may not give', async (t) => {
    const bed = await makeSectionBed(t, SECTIONS);
    const rights = ['--bounding-set=-chown', '--inh-caps=-chown', '--clear-groups'];
    const args = [...rights, process.execPath, CLAVIGERD, `--config=${bed.config}`];
    const { code, stderr } = await runCommand('setpriv', args, { timeoutMs: 20_000 });
    assert.equal(code, 1); // SYS_SOCKET
    assert.match(stderr, /\/web: cannot set mode and group: EPERM/);
    assert.match(stderr, /hint: only root, and a member of the group/);
    await assert.rejects(stat(bed.path('web')), /ENOENT/);
    await assert.rejects(stat(bed.path('admin')), /ENOENT/);
  });
});

describe('a stdio section', () => {
  const WITH_STDIO = `${SECTIONS}\n[[listen]]\nstdio = true\npolicy = "web"\n`;

  it('is what --stdio serves, alone and under its policy', async (t) => {
    const bed = await makeSectionBed(t, WITH_STDIO);
    const daemon = await startInBed(t, bed, { args: ['--stdio'], stdin: true, waitFor: /1 OK/ });
    const input = (names: readonly string[]): string =>
      formatSigningInput({
        alg: 'ES256',
        kid: 'https://ca.example/acct/1',
        url: 'https://ca.example/x',
        ...orderFor(...names),
      });
    await assert.rejects(stat(bed.path('admin')), /ENOENT/);
    daemon.stdin.write(`!errors\r\n${input(['www.example.org'])}\r\n${input(['x.org'])}\r\n`);
    daemon.stdin.end();
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
    const [, , signature, refusal] = daemon.stdout.split('\r\n');
    assert.match(signature ?? '', /^[\w-]{86}$/);
    assert.match(refusal ?? '', /^!error .*"denied"/);
    assert.match(daemon.stderr, /refused conn=1 .* rule=web\.identifiers/);
  });

  it('is not served without --stdio', async (t) => {
    const bed = await makeSectionBed(t, WITH_STDIO);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    assert.equal(await askOnce(t, bed.path('admin')), 'signed');
    assert.equal(daemon.stdout, '');
  });
});

describe('sections that cannot be', () => {
  for (const [name, toml, args, error] of [
    ['an unknown policy', '[[listen]]\nsocket = "@/S"\npolicy = "no"', [], /listen 1: policy: th/],
    [
      'an unknown account',
      '[[listen]]\nsocket = "@/S"\naccount = "no"',
      [],
      /listen 1: account: there is/,
    ],
    [
      'an unknown group',
      '[[listen]]\nsocket = "@/S"\nmode = "0660"\ngroup = "no-such-group"',
      [],
      /:6: listen 1: group: there is no group "no-such-group"/,
    ],
    ['a policy that means nothing', '[policy.a]\noperations = ["sign"]', [], /a\.operations 1/],
    ['--socket beside a section', '[[listen]]\nsocket = "@/S"', ['--socket=/x'], /--socket does/],
    ['--stdio without its section', '[[listen]]\nsocket = "@/S"', ['--stdio'], /--stdio needs/],
    ['a key of no kind', '[account.a]\nprivkey = "x"', [], /account\.a: privkey: no kind is named/],
  ] as const) {
    it(`end the start: ${name}`, async (t) => {
      const bed = await makeSectionBed(t, `privkey = "file:@/account.pem"\n${toml}\n`);
      for (const check of [[], ['--check']]) {
        const all = [`--config=${bed.config}`, ...args, ...check];
        const { code, stderr, stdout } = await runClavigerd(all, { timeoutMs: 20_000 });
        assert.match(stderr, error);
        assert.equal(code, 2);
        assert.equal(stdout, '');
      }
      await assert.rejects(stat(bed.path('S')), /ENOENT/);
    });
  }

  it('are told by --check before systemd passes anything, and printed as they take effect', async (t) => {
    const bed = await makeSectionBed(
      t,
      `${SECTIONS}[[listen]]\ndescriptor = "x"\naccount = "b"\n[account.b]\nprivkey = "file:@/b%%"\n`,
    );
    await copyFile(bed.path('account.pem'), bed.path('b%'));
    const first = await runClavigerd([`--config=${bed.config}`, '--check']);
    assert.equal(first.code, 0, first.stderr);
    const settings = parse(first.stdout);
    assert.equal(
      JSON.stringify(settings['policy']),
      '{"web":{"operations":["read","new-order"],"identifiers":["www.example.org"]}}',
    );
    assert.ok(Array.isArray(settings['listen']));
    assert.deepEqual(settings['listen'].map(parsePlace), [
      ['admin', bed.path('admin'), '0600', undefined],
      ['web', bed.path('web'), '0660', String(GROUP)],
      ['x', undefined, undefined, undefined],
    ]);
    const printed = bed.path('printed.toml');
    await writeFile(printed, first.stdout, { mode: 0o600 });
    const again = await runClavigerd([`--config=${printed}`, '--check']);
    assert.equal(again.stdout, first.stdout, again.stderr);
  });

  it('may leave a policy out, which is told', async (t) => {
    const bed = await makeSectionBed(t, `${SECTIONS}[policy.forgotten]\noperations = ["read"]\n`);
    const told = '[policy.forgotten]: no client of any listener is held to it';
    const check = await runClavigerd([`--config=${bed.config}`, '--check']);
    assert.equal(check.stdout.trimEnd().split('\n').at(-1), `# ${told}`);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('web') } });
    assert.ok(daemon.stderr.includes(`unused message="${told}"`), daemon.stderr);
  });
});

function parsePlace(listen: unknown): readonly unknown[] {
  assert.ok(typeof listen === 'object' && listen !== null);
  const settings = new Map<string, unknown>(Object.entries(listen));
  return ['name', 'socket', 'mode', 'group'].map((key) => settings.get(key));
}
