// A helper that lies, shouts, hangs or ends: what the daemon makes of it. Programs of this test
// stand in for the helper here; the real one is tested in integration/token-helper.test.ts.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HelperClient } from '../../../../src/keys/helper/helper-client.js';
import { HelperProcess } from '../../../../src/keys/helper/helper-process.js';
import { NotBegunError } from '../../../../src/keys/helper/pending-requests.js';
import { appErrorOf } from '../../../support/app-error.js';
import { mustRun } from '../../../support/process.js';
import { atEnd } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

/** Reads requests as the helper does, and has `reply(message)` and `raw(buffer)` to answer with. */
const PRELUDE = `
import { readSync, writeSync } from 'node:fs';
const raw = (bytes) => { let at = 0; while (at < bytes.length) at += writeSync(3, bytes, at); };
const reply = (message) => {
  const body = Buffer.from(JSON.stringify(message));
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length); body.copy(frame, 4); raw(frame);
};
const chunk = Buffer.alloc(65536); let pending = Buffer.alloc(0);
const next = () => {
  for (;;) {
    if (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
      const end = 4 + pending.readUInt32BE(0);
      const message = JSON.parse(pending.subarray(4, end)); pending = pending.subarray(end);
      return message;
    }
    const count = readSync(3, chunk);
    if (count === 0) process.exit(0);
    pending = Buffer.concat([pending, chunk.subarray(0, count)]);
  }
};
`;
const DONE = "reply({ id: next().id, result: { kind: 'done' } });\n";

async function startFake(
  t: TestContext,
  script: string,
  lines: string[] = [],
): Promise<HelperProcess> {
  const path = join(await makeTempDir(t), 'fake.mjs');
  writeFileSync(path, PRELUDE + script);
  const helper = new HelperProcess({
    env: process.env,
    log: (level, message) => {
      lines.push(`${level}: ${message}`);
    },
    helperPath: path,
  });
  atEnd(t, () => {
    helper.kill();
    return helper.close();
  });
  return helper;
}

describe('token helper that', () => {
  const liars: readonly (readonly [string, string, RegExp])[] = [
    ['replies with no JSON', 'next(); raw(Buffer.from([0, 0, 0, 1, 65])); next();', /not JSON/],
    [
      'replies with an unknown kind',
      "reply({ id: next().id, result: { kind: 'key!' } }); next();",
      /malformed/,
    ],
    [
      'replies to another request',
      "reply({ id: next().id + 1, result: { kind: 'done' } }); next();",
      /out of turn/,
    ],
    [
      'announces a frame without end',
      'next(); raw(Buffer.from([255, 0, 0, 0])); next();',
      /more than/,
    ],
    ['ends', 'next(); process.exit(7);', /ended \(exit status 7\)/],
    ['kills itself', "next(); process.kill(process.pid, 'SIGKILL'); next();", /ended \(SIGKILL\)/],
    ['does not even start', 'process.exit(1);', /ended/],
  ];
  for (const [what, script, message] of liars) {
    it(`${what} fails the request, and is gone`, async (t) => {
      const helper = await startFake(t, script);
      const failure = await helper.request({ op: 'list-tokens' }, 20_000).then(
        () => assert.fail('a result'),
        (error: unknown) => error,
      );
      assert.ok(failure instanceof Error);
      assert.match(failure.message, message);
      await helper.close();
      await appErrorOf(() => helper.request({ op: 'list-tokens' }, 1000), 'TOKEN_HELPER');
    });
  }

  it('replies before it was asked is ended', async (t) => {
    const helper = await startFake(
      t,
      "reply({ id: 1, result: { kind: 'done' } }); for (;;) next();",
    );
    while (existsSync(`/proc/${helper.pid ?? 0}`)) {
      await sleep(20);
    }
    await appErrorOf(() => helper.request({ op: 'list-tokens' }, 1000), 'TOKEN_HELPER');
  });

  it('gives another kind of result than asked for is not believed', async (t) => {
    const session = new HelperClient(await startFake(t, `for (;;) ${DONE}`), 20_000);
    const error = await appErrorOf(() => session.sign(Buffer.alloc(32)), 'TOKEN_HELPER');
    assert.match(error.message, /replied done to sign/);
  });

  it('does not answer in time fails all that wait, and is killed', async (t) => {
    const helper = await startFake(t, 'for (;;) next();');
    const all = [1, 2, 3].map(() =>
      appErrorOf(() => helper.request({ op: 'list-tokens' }, 50), 'TOKEN_TIMEOUT'),
    );
    for (const error of await Promise.all(all)) {
      assert.match(error.message, /no answer within 0\.05 s/);
    }
    await helper.close();
  });

  it('comes to a request says so then, and not when it was sent', async (t) => {
    const helper = await startFake(t, `${DONE}${DONE}`);
    const events: string[] = [];
    const send = (name: string): Promise<void> =>
      helper
        .request({ op: 'list-tokens' }, 20_000, () => {
          events.push(`begin ${name}`);
        })
        .then(() => {
          events.push(`end ${name}`);
        });
    const both = [send('a'), send('b')];
    assert.deepEqual(events, ['begin a']);
    await Promise.all(both);
    assert.deepEqual([...events].sort(), ['begin a', 'begin b', 'end a', 'end b']);
    assert.ok(events.indexOf('begin b') > 0);
  });

  it('ends over one request leaves the others to its successor', async (t) => {
    const helper = await startFake(t, `${DONE} next(); process.exit(1);`);
    const send = (): Promise<unknown> =>
      helper.request({ op: 'list-tokens' }, 20_000).catch((error: unknown) => error);
    const [first, second, third] = await Promise.all([send(), send(), send()]);
    assert.deepEqual(first, { kind: 'done' });
    assert.ok(second instanceof Error && !(second instanceof NotBegunError));
    assert.ok(third instanceof NotBegunError);
  });

  it('is slow finishes what was asked when it is closed', async (t) => {
    const pause = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);';
    const helper = await startFake(
      t,
      `for (;;) { const { id } = next(); ${pause} reply({ id, result: { kind: 'done' } }); }`,
    );
    // Longer, all three, than a helper may take for its end.
    const all = [1, 2, 3].map(() => helper.request({ op: 'list-tokens' }, 20_000));
    await helper.close();
    assert.deepEqual(await Promise.all(all), Array(3).fill({ kind: 'done' }));
  });

  it('hangs is not waited for longer than its closing may take', { timeout: 60_000 }, async (t) => {
    const helper = await startFake(t, 'next(); for (;;) next();');
    const request = helper.request({ op: 'list-tokens' }, 600_000);
    const failure = appErrorOf(() => request, 'TOKEN_HELPER');
    await helper.close(100);
    assert.match((await failure).message, /SIGKILL/);
  });

  it('cannot be started for want of descriptors is an error like any other', async (t) => {
    const module = new URL('../../../../src/keys/helper/helper-process.js', import.meta.url).href;
    const path = join(await makeTempDir(t), 'exhaust.mjs');
    const script = `
      import { openSync } from 'node:fs';
      import { HelperProcess } from ${JSON.stringify(module)};
      try { new HelperProcess({ env: {}, log() {} }); } catch {}
      try { for (;;) openSync('/dev/null'); } catch {}
      try { new HelperProcess({ env: {}, log() {} }); } catch (error) { console.log(error.code, error.message); }
      process.exit(0);`;
    writeFileSync(path, script);
    const output = await mustRun('prlimit', ['--nofile=64', process.execPath, path]);
    assert.match(output, /^TOKEN_HELPER token helper: cannot be started/);
  });

  it('does not end when asked is killed', async (t) => {
    const helper = await startFake(t, 'for (;;) next();');
    await helper.close();
    assert.throws(() => process.kill(helper.pid ?? 0, 0), /ESRCH/);
  });

  it('prints, is heard within bounds and does not block', async (t) => {
    const lines: string[] = [];
    const flood =
      "process.stderr.write('\\u001b[31mnoise\\n'); process.stdout.write('x'.repeat(2e6) + '\\n');";
    const helper = await startFake(
      t,
      `next(); ${flood} reply({ id: 1, result: { kind: 'done' } }); next();`,
      lines,
    );
    await helper.request({ op: 'list-tokens' }, 20_000);
    await helper.close();
    assert.ok(
      lines.includes(String.raw`warning: token helper: module says: \u001b[31mnoise`),
      lines.join(),
    );
    assert.ok(lines.every((line) => line.length < 700));
  });
});
