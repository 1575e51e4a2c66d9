// How gpg is run, and what of its output is believed. A script stands in for gpg here; gpg itself
// is tested in integration.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runGpg } from '../../../../src/keys/software/gpg-process.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const PATH = '/etc/key.gpg';

async function run(
  t: TestContext,
  script: string,
  timeoutMs = 30_000,
): Promise<{ output: Promise<Buffer>; log: string[] }> {
  const program = join(await makeTempDir(t), 'gpg');
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  const log: string[] = [];
  const output = runGpg({
    command: [program, '--quiet'],
    path: PATH,
    env: { PATH: '/usr/bin:/bin' },
    log: (level, message) => {
      log.push(`${level} ${message}`);
    },
    timeoutMs,
  });
  return { output, log };
}

describe('runGpg', () => {
  it('asks for the file decrypted to standard output, and returns that as it is', async (t) => {
    const { output } = await run(t, 'printf "%s|" "$@"; printf "\\377"');
    const expected = `--quiet|--decrypt|--output|-|--|${PATH}|`;
    assert.deepEqual(await output, Buffer.concat([Buffer.from(expected), Buffer.of(255)]));
  });

  it('logs what gpg writes on standard error, escaped and bounded', async (t) => {
    const script = 'printf "one\\n\\n  two\\033[31m\\nlast without an end" >&2; printf key';
    const { output, log } = await run(t, script);
    await output;
    assert.deepEqual(log, [
      'warning gpg says: one',
      'warning gpg says: two\\u001b[31m',
      'warning gpg says: last without an end',
    ]);
    const flood = await run(t, 'i=0; while [ $i -lt 2000 ]; do echo line >&2; i=$((i+1)); done');
    await flood.output;
    assert.ok(flood.log.length < 1000, `${flood.log.length} lines`);
  });

  it('fails with how gpg ended, and with its last line', async (t) => {
    const silent = await run(t, 'printf secret; exit 2');
    const error = await appErrorOf(() => silent.output, 'KEY_DECRYPT');
    assert.equal(error.message, `account key: ${PATH}: gpg: ended with exit status 2`);
    assert.match(error.hint ?? '', /gpg --decrypt/);
    const saying = await run(t, 'echo first >&2; echo no secret key >&2; exit 2');
    const told = await appErrorOf(() => saying.output, 'KEY_DECRYPT');
    assert.match(told.message, /ended with exit status 2: no secret key$/);
    const killed = await run(t, 'kill -KILL $$');
    assert.match((await appErrorOf(() => killed.output, 'KEY_DECRYPT')).message, /with SIGKILL$/);
  });

  it('fails when gpg writes too much or takes too long, and ends it', async (t) => {
    const flood = await run(t, 'exec cat /dev/zero');
    const much = await appErrorOf(() => flood.output, 'KEY_DECRYPT');
    assert.match(much.message, /gave more than \d+ bytes, which is no private key$/);
    const slow = await run(t, 'exec sleep 600', 100);
    const late = await appErrorOf(() => slow.output, 'KEY_DECRYPT');
    assert.match(late.message, /not done within 0\.1 s$/);
  });

  it('fails when gpg is missing', async () => {
    const error = await appErrorOf(
      () =>
        runGpg({
          command: ['/nonexistent/gpg'],
          path: PATH,
          env: {},
          log: () => undefined,
          timeoutMs: 1000,
        }),
      'KEY_DECRYPT',
    );
    assert.match(error.hint ?? '', /install GnuPG/);
  });
});
