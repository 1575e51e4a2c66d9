// The token helper process on SoftHSM: killed while signing, stopped, its token taken away, its PIN
// changed; what it inherits, where the PIN may be seen, and how it ends.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { verifySignature } from '../../../src/jose/signature.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openPkcs11Key, type Pkcs11Key } from '../../../src/keys/pkcs11-key.js';
import type { AppError } from '../../../src/lib/errors.js';
import { appErrorOf } from '../../support/app-error.js';
import { mustRun, runCommand, startProcess, stateDirectoryOfTest } from '../../support/process.js';
import { atEnd } from '../../support/scope.js';
import {
  createSoftHsm,
  SOFTHSM_MODULE,
  type SoftHsm,
  type SoftHsmToken,
} from '../../support/modules/softhsm.js';
import { recordText } from '../../support/transcript.js';

const INPUT = Buffer.from('protected.payload');
const SPY_MODULE = '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so';
const KEYS_MODULE = fileURLToPath(
  new URL('../../../src/keys/open-account-key.js', import.meta.url),
);

interface Fixture {
  readonly hsm: SoftHsm;
  readonly token: SoftHsmToken;
  readonly log: string[];
  readonly context: KeyContext;
}

async function makeFixture(
  t: TestContext,
  type: 'EC:prime256v1' | 'rsa:4096' = 'EC:prime256v1',
): Promise<Fixture> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('acme');
  await hsm.addKey(token, { label: 'k', id: '01', type });
  const log: string[] = [];
  const context: KeyContext = {
    env: { ...hsm.env },
    helpers: 1,
    stateDirectory: stateDirectoryOfTest,
    log: (level, message) => {
      log.push(`${level} ${message}`);
      recordText('log', message);
    },
  };
  return { hsm, token, log, context };
}

async function openKey(t: TestContext, { hsm, token, context }: Fixture): Promise<Pkcs11Key> {
  const key = await openPkcs11Key(hsm.uri(token, { label: 'k' }), context);
  atEnd(t, () => key.close());
  return key;
}

function pidOf(key: Pkcs11Key): number {
  const [pid] = key.helperPids;
  assert.ok(pid !== undefined, 'a helper runs');
  return pid;
}

async function assertSigns(key: Pkcs11Key): Promise<void> {
  assert.ok(verifySignature(key.algorithm, key.publicKey, INPUT, (await key.sign(INPUT)).bytes));
}

/** A process that ended is gone here, even while nobody has asked for its exit status. */
async function waitUntilGone(pid: number): Promise<void> {
  await waitWhile(() => existsSync(`/proc/${pid}/exe`), pid);
}

async function waitWhile(isThere: () => boolean, pid: number): Promise<void> {
  for (let count = 0; isThere(); count++) {
    assert.ok(count < 1000, `waited for process ${pid} in vain`);
    await sleep(10);
  }
}

/** Puts pkcs11-spy between helper and SoftHSM; gives how often a function was called so far. */
function spyOn({ hsm }: Fixture): {
  context: (base: KeyContext) => KeyContext;
  uri: (uri: string) => string;
  calls: (name: string) => number;
} {
  const output = join(hsm.folder, 'spy.txt');
  return {
    context: (base) => ({
      ...base,
      env: { ...base.env, PKCS11SPY: SOFTHSM_MODULE, PKCS11SPY_OUTPUT: output },
    }),
    uri: (uri) => uri.replace(SOFTHSM_MODULE, SPY_MODULE),
    calls: (name) => readFileSync(output, 'utf8').split(`: ${name}\n`).length - 1,
  };
}

describe('token helper killed', () => {
  it('while it signs: a fresh one signs instead, and nobody notices', async (t) => {
    const fixture = await makeFixture(t);
    const { log } = fixture;
    const key = await openKey(t, fixture);
    const pid = pidOf(key);
    // Stopped, it cannot finish before the kill.
    process.kill(pid, 'SIGSTOP');
    const waiting = [assertSigns(key), assertSigns(key), assertSigns(key)];
    process.kill(pid, 'SIGKILL');
    await Promise.all(waiting);
    await assertSigns(key);
    assert.notEqual(pidOf(key), pid);
    assert.match(log.join('\n'), /warning token helper: .*ended \(SIGKILL\); recovery: new-helper/);
  });

  it('at any moment of a long queue: at most one request fails', async (t) => {
    const key = await openKey(t, await makeFixture(t, 'rsa:4096'));
    for (let round = 0; round < 3; round++) {
      const all = Array.from({ length: 20 }, () => key.sign(INPUT));
      await all[round * 5];
      process.kill(pidOf(key), 'SIGKILL');
      const results = await Promise.allSettled(all);
      const failed = results.filter(({ status }) => status === 'rejected');
      assert.ok(failed.length <= 1, `${failed.length} failed`);
      for (const result of results) {
        if (result.status === 'fulfilled') {
          assert.ok(verifySignature('RS256', key.publicKey, INPUT, result.value.bytes));
        }
      }
    }
    await assertSigns(key);
  });

  it('while idle: nobody notices', async (t) => {
    const key = await openKey(t, await makeFixture(t));
    const pid = pidOf(key);
    process.kill(pid, 'SIGKILL');
    // Until this process, its parent, has taken note.
    await waitWhile(() => existsSync(`/proc/${pid}`), pid);
    await assertSigns(key);
  });
});

describe('token helper that hangs', () => {
  it('is killed at its deadline: that request fails, those behind it succeed', async (t) => {
    const fixture = await makeFixture(t);
    const key = await openKey(t, {
      ...fixture,
      context: { ...fixture.context, signTimeoutMs: 3_000 },
    });
    const pid = pidOf(key);
    process.kill(pid, 'SIGSTOP');
    const first = appErrorOf(() => key.sign(INPUT), 'TOKEN_TIMEOUT');
    const behind = [assertSigns(key), assertSigns(key)];
    assert.match((await first).message, /no answer within 3 s/);
    await waitUntilGone(pid);
    await Promise.all(behind);
    assert.notEqual(pidOf(key), pid);
  });

  it('is killed at the end too', async (t) => {
    const key = await openKey(t, await makeFixture(t));
    const pid = pidOf(key);
    process.kill(pid, 'SIGSTOP');
    const last = appErrorOf(() => key.sign(INPUT), 'TOKEN_HELPER');
    await key.close();
    await waitUntilGone(pid);
    await last;
  });
});

describe('PIN', () => {
  let fixture: Fixture;
  let spy: ReturnType<typeof spyOn>;

  beforeEach(async (t) => {
    assert.ok('after' in t);
    fixture = await makeFixture(t);
    spy = spyOn(fixture);
  });

  function wrongPinUri(): string {
    const wrong = join(fixture.hsm.folder, 'wrong-pin');
    return spy.uri(fixture.hsm.uri({ ...fixture.token, pinFile: wrong }, { label: 'k' }));
  }

  it('refused: one attempt, a clear error, no second attempt', async () => {
    await mustRun('sh', ['-c', `umask 077; echo 00000000 >${fixture.hsm.folder}/wrong-pin`]);
    const context = spy.context(fixture.context);
    const error = await appErrorOf(
      () => openPkcs11Key(wrongPinUri(), context),
      'TOKEN_PIN_INCORRECT',
    );
    assert.match(error.message, /^token "acme": the PIN is wrong \(.*CKR_PIN_INCORRECT/);
    assert.match(error.hint ?? '', /one attempt was made and no other will be/);
    assert.equal(spy.calls('C_Login'), 1);
    assert.equal(spy.calls('C_Initialize'), 1);
    assert.equal(fixture.log.filter((line) => line.startsWith('error ')).length, 1);
  });

  it('changed while in use: one attempt by the fresh helper, then none at all', async (t) => {
    const { hsm, token } = fixture;
    const key = await openPkcs11Key(
      spy.uri(hsm.uri(token, { label: 'k' })),
      spy.context(fixture.context),
    );
    atEnd(t, () => key.close());
    await hsm.tool(token, '--change-pin', '--new-pin', 'other-pin-99');
    await assertSigns(key);
    assert.equal(spy.calls('C_Login'), 1);
    const pid = pidOf(key);
    process.kill(pid, 'SIGKILL');
    await waitWhile(() => existsSync(`/proc/${pid}`), pid);
    const refused: AppError[] = [];
    for (let count = 0; count < 3; count++) {
      refused.push(await appErrorOf(() => key.sign(INPUT), 'TOKEN_PIN_INCORRECT'));
    }
    assert.equal(spy.calls('C_Login'), 2);
    const messages = new Set(refused.map(({ message }) => message));
    assert.equal(messages.size, 1, 'the first refusal is told again');
  });

  it('is in no argument, environment, log or error, and the helper gets no more than it needs', async (t) => {
    const { hsm, token, log, context } = fixture;
    const file = openSync(join(hsm.folder, 'daemon-file'), 'w');
    const server = createServer().listen(join(hsm.folder, 'socket'));
    atEnd(t, () => {
      closeSync(file);
      server.close();
    });
    const env = { ...context.env, ACME_PIN: token.pin, NODE_OPTIONS: '', SECRET_OF_DAEMON: 'x' };
    const uri = hsm.uri(token, { label: 'k' }).replace(/pin-source=.*/, 'pin-source=env:ACME_PIN');
    const key = await openPkcs11Key(uri, { ...context, env });
    atEnd(t, () => key.close());
    await assertSigns(key);

    const proc = (name: string): string => readFileSync(`/proc/${pidOf(key)}/${name}`, 'utf8');
    assert.equal(proc('environ'), `PATH=/usr/bin:/bin\0SOFTHSM2_CONF=${hsm.env.SOFTHSM2_CONF}\0`);
    assert.doesNotMatch(proc('cmdline'), new RegExp(token.pin));
    assert.ok(proc('cmdline').endsWith('token/helper.js\0'));
    assert.ok(!`${log.join()}${key.description}`.includes(token.pin));

    const links = readdirSync(`/proc/${pidOf(key)}/fd`).map((fd) => readlinkOf(pidOf(key), fd));
    assert.equal(links[0], '/dev/null');
    assert.deepEqual(
      links.filter((link) => link.startsWith(hsm.folder) && !link.includes('/tokens/')),
      [],
    );
    assert.equal(links.filter((link) => link.startsWith('socket:')).length, 3, links.join());
    // A session of its own: an interrupt at the terminal goes to the daemon alone.
    assert.equal(
      proc('stat')
        .replace(/^.*\) /, '')
        .split(' ')[3],
      String(pidOf(key)),
    );
  });
});

describe('token', () => {
  it('taken away and brought back: errors meanwhile, signatures again', async (t) => {
    const fixture = await makeFixture(t);
    const key = await openKey(t, fixture);
    const tokens = join(fixture.hsm.folder, 'tokens');
    renameSync(tokens, `${tokens}-away`);
    await mustRun('mkdir', [tokens]);
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_NOT_FOUND');
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_NOT_FOUND');
    await mustRun('rmdir', [tokens]);
    renameSync(`${tokens}-away`, tokens);
    await waitWhile(() => !key.isAvailable, 0);
    await assertSigns(key);
  });

  it('replaced by another of the same label does not get the PIN', async (t) => {
    const fixture = await makeFixture(t);
    const spy = spyOn(fixture);
    const uri = spy
      .uri(fixture.hsm.uri(fixture.token, { label: 'k' }))
      .replace(/;serial=[^;]*/, '');
    const key = await openPkcs11Key(uri, spy.context(fixture.context));
    atEnd(t, () => key.close());
    const tokens = join(fixture.hsm.folder, 'tokens');
    renameSync(tokens, `${tokens}-away`);
    await mustRun('mkdir', [tokens]);
    const other = await fixture.hsm.addToken('acme');
    await fixture.hsm.addKey(other, { label: 'k', id: '01', type: 'EC:prime256v1' });
    const error = await appErrorOf(() => key.sign(INPUT), 'TOKEN_NOT_FOUND');
    assert.match(
      error.message,
      new RegExp(`serial was "${fixture.token.serial}" and is now "${other.serial}"`),
    );
    assert.equal(spy.calls('C_Login'), 1);
  });

  it('whose key was replaced by another of the same name does not sign', async (t) => {
    const fixture = await makeFixture(t);
    const key = await openKey(t, fixture);
    const { hsm, token } = fixture;
    for (const type of ['privkey', 'pubkey']) {
      await hsm.tool(token, '--delete-object', '--type', type, '--id', '01');
    }
    await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
    const error = await appErrorOf(() => key.sign(INPUT), 'TOKEN_KEY_NOT_FOUND');
    assert.match(error.message, /another key/);
  });
});

describe('end of a token helper', () => {
  it('comes with close, after what was asked; closing twice is fine', async (t) => {
    const key = await openKey(t, await makeFixture(t));
    const pid = pidOf(key);
    const last = assertSigns(key);
    await key.close();
    await last;
    await waitUntilGone(pid);
    await key.close();
    await appErrorOf(() => key.sign(INPUT), 'TOKEN_HELPER');
  });

  it('does not come by a signal meant for the whole service', async (t) => {
    const key = await openKey(t, await makeFixture(t));
    const pid = pidOf(key);
    process.kill(pid, 'SIGTERM');
    process.kill(pid, 'SIGINT');
    await assertSigns(key);
    await assertSigns(key);
    assert.equal(pidOf(key), pid);
    await key.close();
    await waitUntilGone(pid);
  });

  it('leaves the token whole, however early it comes', async (t) => {
    const fixture = await makeFixture(t);
    for (let count = 0; count < 10; count += 1) {
      const opening = openPkcs11Key(fixture.hsm.uri(fixture.token, { label: 'k' }), {
        ...fixture.context,
        helpers: 2,
      });
      const key = await opening;
      // The second helper starts for these, and is closed on its way.
      const asked = Promise.allSettled([1, 2, 3, 4].map(() => key.sign(INPUT)));
      await key.sign(INPUT);
      await key.close();
      await asked;
    }
    await assertSigns(await openKey(t, fixture));
  });

  it('comes when a daemon that forgets it ends by itself', async (t) => {
    const result = await runCommand(process.execPath, [
      '--input-type=module',
      '-e',
      script(await makeFixture(t), ''),
    ]);
    assert.equal(result.code, 0, result.stderr);
    await waitUntilGone(Number(result.stdout));
  });

  it('comes when the daemon is killed', async (t) => {
    const fixture = await makeFixture(t);
    const daemon = await startProcess(t, {
      command: process.execPath,
      args: ['--input-type=module', '-e', script(fixture, 'setInterval(() => 0, 1000);')],
      waitFor: /^\d+\n/,
    });
    const pid = Number(daemon.stdout);
    assert.ok(existsSync(`/proc/${pid}`));
    daemon.signal('SIGKILL');
    await waitUntilGone(pid);
  });

  function script({ hsm, token }: Fixture, rest: string): string {
    const uri = hsm.uri(token, { label: 'k' });
    return `import { openAccountKey } from ${JSON.stringify(KEYS_MODULE)};
      const context = { env: ${JSON.stringify(hsm.env)}, helpers: 1, log() {},
        stateDirectory: () => ${JSON.stringify(stateDirectoryOfTest())} };
      const key = await openAccountKey(${JSON.stringify(uri)}, context);
      await key.sign(Buffer.from('x'));
      process.stdout.write(key.helperPids[0] + '\\n');
      ${rest}`;
  }
});

function readlinkOf(pid: number, fd: string): string {
  return readlinkSync(`/proc/${pid}/fd/${fd}`);
}
