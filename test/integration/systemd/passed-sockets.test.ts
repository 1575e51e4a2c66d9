// What systemd may pass and what is served of it: listening UNIX stream sockets with a path, which
// are not open to everybody. Everything else ends the start, and nothing overrides that. Real
// descriptors of every kind.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { askOnce, makeSectionBed } from '../../support/daemon/daemon-sections.js';
import {
  startWithDescriptors,
  type PassedDescriptor,
} from '../../support/daemon/passed-descriptors.js';

const CONFIG = 'privkey = "file:@/account.pem"\n';
const GOOD = { name: 'good', kind: 'stream' } as const;

async function assertRefused(
  t: TestContext,
  passed: readonly PassedDescriptor[],
  error: RegExp,
  hint: RegExp,
): Promise<void> {
  const bed = await makeSectionBed(t, CONFIG);
  for (const args of [[], ['--check']]) {
    const daemon = await startWithDescriptors(t, bed, passed, { args });
    assert.deepEqual(await daemon.waitForExit(), { code: 2, signal: null }, daemon.output);
    assert.match(daemon.stderr, error);
    assert.match(daemon.stderr, hint);
    assert.doesNotMatch(daemon.stderr, / ready /);
  }
}

describe('a passed descriptor', () => {
  const others: readonly (readonly [PassedDescriptor['kind'], RegExp])[] = [
    ['tcp', /a socket of the network: only listening UNIX stream sockets/],
    ['udp', /a socket of the network/],
    ['datagram', /no stream socket/],
    ['bound', /a socket that does not listen/],
    ['connected', /a socket that does not listen/],
    ['abstract', /a socket without a path, which has no mode/],
    ['file', /no socket/],
    ['pipe', /no socket/],
    ['closed', /(it is not open|no socket)/], // Node may have opened a descriptor of its own there
    ['removed', /nothing is at \/.*\/x, so who may connect is not known/],
  ];
  for (const [kind, problem] of others) {
    it(`ends the start, alone or beside a good one: ${kind}`, async (t) => {
      const error = new RegExp(`error: systemd passed "x" \\(descriptor 3\\): ${problem.source}`);
      await assertRefused(t, [{ name: 'x', kind }], error, /^clavigerd: hint: /m);
      const second = new RegExp(error.source.replace('descriptor 3', 'descriptor 4'));
      await assertRefused(t, [GOOD, { name: 'x', kind }], second, /^clavigerd: hint: /m);
    });
  }

  for (const mode of ['0666', '0777', '0602']) {
    it(`ends the start when everybody may connect: ${mode}`, async (t) => {
      const open = { name: 'x', kind: 'stream', mode } as const;
      const error = new RegExp(`/x has mode ${mode}: everybody could have requests signed`);
      await assertRefused(t, [open], error, /hint: .*SocketMode=0600.*then restart that unit/);
      await assertRefused(t, [GOOD, open], error, /hint: /);
    });
  }

  it('ends the start when others could put another socket in its place', async (t) => {
    const bed = await makeSectionBed(t, CONFIG);
    await mkdir(bed.path('open'));
    await chmod(bed.path('open'), 0o1777);
    const daemon = await startWithDescriptors(t, bed, [{ ...GOOD, path: 'open/S' }]);
    assert.deepEqual(await daemon.waitForExit(), { code: 2, signal: null }, daemon.output);
    assert.match(daemon.stderr, /insecure permissions on \/.*\/open: others can write it/);
  });

  it('ends the start when there are more than can be served', async (t) => {
    const many = Array.from({ length: 65 }, () => ({ name: 'x', kind: 'closed' }) as const);
    await assertRefused(t, many, /systemd passed 65 sockets, and 64 are possible/, /./);
  });

  for (const mode of ['0600', '0660', '0644']) {
    it(`is served when it is a socket for its owner or a group: ${mode}`, async (t) => {
      const bed = await makeSectionBed(t, CONFIG);
      const daemon = await startWithDescriptors(t, bed, [{ ...GOOD, mode }]);
      await daemon.waitFor({ socket: bed.path('good') });
      assert.equal(await askOnce(t, bed.path('good')), 'signed');
      assert.match(await readFile(bed.logfile, 'utf8'), / ready .*socket=good/);
    });
  }

  it('is known where its network is another: PrivateNetwork=', async (t) => {
    const before = ['unshare', '--net'];
    const bed = await makeSectionBed(t, CONFIG);
    const daemon = await startWithDescriptors(t, bed, [GOOD], { before });
    await daemon.waitFor({ socket: bed.path('good') });
    assert.equal(await askOnce(t, bed.path('good')), 'signed');
    const other = await makeSectionBed(t, CONFIG);
    const tcp = await startWithDescriptors(t, other, [{ name: 'x', kind: 'tcp' }], { before });
    assert.equal((await tcp.waitForExit()).code, 2);
    assert.match(tcp.stderr, /a socket of the network/);
  });
});

describe('the name notify', () => {
  it("is left alone: what has it is systemd's", async (t) => {
    const bed = await makeSectionBed(t, CONFIG);
    for (const kind of ['datagram', 'connected', 'file'] as const) {
      const path = kind;
      const notify = { name: 'notify', kind, path, mode: '0666' } as const;
      const daemon = await startWithDescriptors(t, bed, [notify, { ...GOOD, path: `S-${kind}` }]);
      await daemon.waitFor({ socket: bed.path(`S-${kind}`) });
      assert.equal(await askOnce(t, bed.path(`S-${kind}`)), 'signed');
      await daemon.stop();
      assert.match(daemon.stderr, / ready .*socket=good\n/);
    }
  });

  it('does not stand for a socket: without another the daemon binds its own', async (t) => {
    const bed = await makeSectionBed(t, `${CONFIG}socket = "@/own"\n`);
    const daemon = await startWithDescriptors(t, bed, [{ name: 'notify', kind: 'datagram' }]);
    await daemon.waitFor({ socket: bed.path('own') });
    assert.equal(await askOnce(t, bed.path('own')), 'signed');
  });

  it('is for no socket that clients could wait at', async (t) => {
    const error = /systemd passed "notify" .*the name is reserved/;
    await assertRefused(
      t,
      [GOOD, { name: 'notify', kind: 'stream' }],
      error,
      /FileDescriptorName=/,
    );
  });

  it('is for no listener', async (t) => {
    const bed = await makeSectionBed(t, `${CONFIG}[[listen]]\ndescriptor = "notify"\n`);
    const daemon = await startWithDescriptors(t, bed, [{ name: 'notify', kind: 'stream' }]);
    assert.equal((await daemon.waitForExit()).code, 2);
    assert.match(daemon.stderr, /descriptor: "notify" is reserved, and never served/);
  });
});
