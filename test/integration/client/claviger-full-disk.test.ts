// A disk that is full while a certificate is installed: the message names the file, the old
// certificate stays, and the new one is not lost. A real, small file system.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Endpoint } from '../../support/client/acme-server.js';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGER } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { mountSmallDisk, type SmallDisk } from '../../support/small-disk.js';

const OUTPUTS = ['cert', 'chain', 'fullchain'] as const;

interface FullDiskBed {
  readonly disk: SmallDisk;
  /** The folder of the certificate, which is the disk. */
  readonly target: string;
  readonly issue: () => Promise<CommandResult>;
  readonly countOf: (endpoint: Endpoint) => number;
}

/** An issuance into a disk that is filled when that endpoint is asked for the first time. */
async function prepareFullDisk(scope: Scope, fullAt?: Endpoint): Promise<FullDiskBed> {
  let fill: (() => void) | undefined;
  const { folder, args, server } = await prepareIssue(scope, {
    misbehave: ({ endpoint }) => {
      if (endpoint === fullAt) {
        fill?.();
        fill = undefined;
      }
      return undefined;
    },
  });
  const target = join(folder, 'target');
  const disk = await mountSmallDisk(scope, target, '256k');
  fill = disk.fill;
  const common = args.filter((arg) => !/^--(?:key|cert|chain|fullchain)=/.test(arg));
  const files = ['key', ...OUTPUTS].map((name) => `--${name}=${target}/${name}.pem`);
  return {
    disk,
    target,
    issue: async () => {
      const words = disk.within([process.execPath, CLAVIGER, ...common, ...files]);
      const [command = '', ...rest] = words;
      return await runCommand(command, rest);
    },
    countOf: (endpoint) => server.calls.filter((call) => call === endpoint).length,
  };
}

function assertInstalled({ disk }: FullDiskBed): void {
  const leaf = new X509Certificate(readFileSync(disk.onDisk('cert.pem')));
  assert.equal(leaf.subjectAltName, 'DNS:a.test, DNS:b.test');
  for (const name of [...OUTPUTS, 'key']) {
    assert.match(readFileSync(disk.onDisk(`${name}.pem`), 'utf8'), /-----END/);
  }
  const left = readdirSync(disk.onDisk('.')).filter((name) => name.startsWith('.'));
  assert.deepEqual(left, []);
}

describe('a disk that is full', () => {
  it('before the order: nobody is asked for a certificate, and the file is named', async (t) => {
    const bed = await prepareFullDisk(t);
    bed.disk.fill();
    const { code, stderr } = await bed.issue();
    assert.equal(code, 1, stderr);
    assert.match(stderr, /error: \S+\/target\/\w+\.pem: cannot be written: ENOSPC/);
    assert.match(stderr, /hint: make room on the file system of \S+\/target\n/);
    assert.equal(bed.countOf('newOrder'), 0);
    bed.disk.makeRoom();
    assert.equal((await bed.issue()).code, 0);
    assertInstalled(bed);
  });

  for (const endpoint of ['newOrder', 'finalize', 'certificate'] as const) {
    it(`at ${endpoint}: the old files stay, and the next run orders no other certificate`, async (t) => {
      const bed = await prepareFullDisk(t, endpoint);
      writeFileSync(bed.disk.onDisk('chain.pem'), 'the old one\n');
      const { code, stderr } = await bed.issue();
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        /error: .*ENOSPC: no space left on device, write '\S+\/target\/\S+\.pem\S*'\n/,
      );
      assert.match(stderr, /hint: make room on the file system of \S+\/target\b/);
      assert.match(stderr, /; the next run goes on from here, without a new order\n/);
      assert.equal(readFileSync(bed.disk.onDisk('chain.pem'), 'utf8'), 'the old one\n');
      assert.equal(existsSync(bed.disk.onDisk('cert.pem')), false);
      bed.disk.makeRoom();
      const second = await bed.issue();
      assert.equal(second.code, 0, second.stderr);
      assert.deepEqual([bed.countOf('newOrder'), bed.countOf('finalize')], [1, 1]);
      assertInstalled(bed);
    });
  }
});
