// One latch for the daemon's user and for root, who runs commands on the same token: a latch that
// root writes belongs to that user, no link in the folder is followed, and a process that cannot
// take the lock makes no attempt.

import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { asUser } from '../../support/other-user.js';
import { spyOnSoftHsm, type Pkcs11Spy } from '../../support/modules/pkcs11-spy.js';
import { mustRun, runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const ROOT = 0;
const DAEMON = 65_501;
const STRANGER = 65_502;
const WRONG_PIN = 'falsch-0815';

interface Fixture {
  readonly state: string;
  readonly folder: string;
  readonly pin: string;
  readonly spy: Pkcs11Spy;
  /** `clavigerd key test`, by a user, with a PIN from a file of that user's. */
  readonly test: (userId: number, pin: string) => Promise<CommandResult>;
  readonly pinCommand: (userId: number, ...args: readonly string[]) => Promise<CommandResult>;
}

async function makeFixture(t: TestContext): Promise<Fixture> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('acme');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  const spy = spyOnSoftHsm(hsm);
  writeFileSync(join(hsm.folder, 'spy.txt'), '');
  chmodSync(join(hsm.folder, 'spy.txt'), 0o666);
  await mustRun('chown', ['-R', `${DAEMON}:${DAEMON}`, hsm.folder]);
  const folder = await makeTempDir(t);
  const state = join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  chownSync(state, DAEMON, DAEMON);
  const run = (userId: number, args: readonly string[]): Promise<CommandResult> => {
    const command = [process.execPath, CLAVIGERD, ...args, `--state-directory=${state}`];
    const user = { id: userId, groups: [] };
    const [program = '', ...rest] = userId === ROOT ? command : asUser(user, command);
    return runCommand(program, rest, { env: spy.env });
  };
  return {
    state,
    folder,
    pin: token.pin,
    spy,
    test(userId, pin) {
      const pinFile = join(folder, `pin-${userId}`);
      writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
      chownSync(pinFile, userId, userId);
      const uri = spy.uri(hsm.uri({ ...token, pinFile }, { label: 'k' }));
      return run(userId, ['key', 'test', uri, '--count=1']);
    },
    pinCommand: (userId, ...args) => run(userId, ['pin', ...args]),
  };
}

function assertBelongsToDaemon({ state }: Fixture): void {
  const folder = join(state, 'pin-latches');
  for (const path of [folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
    const { uid, gid, mode } = statSync(path);
    assert.deepEqual([uid, gid, mode & 0o777], [DAEMON, DAEMON, path === folder ? 0o700 : 0o600]);
  }
}

describe("root and the daemon's user", () => {
  it('share one latch: neither tries what the other has been refused', async (t) => {
    const fixture = await makeFixture(t);
    const { spy, test, pinCommand, pin } = fixture;
    assert.match((await test(ROOT, WRONG_PIN)).stderr, /the PIN is wrong/);
    assertBelongsToDaemon(fixture);
    assert.equal(readdirSync(join(fixture.state, 'pin-latches')).length, 2, 'a note and a lock');
    assert.match((await test(DAEMON, `${WRONG_PIN}!`)).stderr, /the PIN is wrong/);
    for (const userId of [ROOT, DAEMON, ROOT]) {
      assert.match((await test(userId, pin)).stderr, /2 attempts in a row failed/);
    }
    assert.equal(spy.calls('C_Login'), 2);
    for (const userId of [ROOT, DAEMON]) {
      assert.match((await pinCommand(userId, 'status')).stdout, /was refused at/);
    }
    assert.equal((await pinCommand(DAEMON, 'clear')).code, 0);
    for (const userId of [DAEMON, ROOT]) {
      const { code, stderr } = await test(userId, pin);
      assert.equal(code, 0, stderr);
    }
    assertBelongsToDaemon(fixture);
    assert.match((await pinCommand(ROOT, 'status')).stdout, /^no PIN has been refused/);
  });

  it('come first in any order: the user goes on in what root has made', async (t) => {
    const fixture = await makeFixture(t);
    const { test, pin, state } = fixture;
    assert.equal((await test(ROOT, pin)).code, 0);
    assertBelongsToDaemon(fixture);
    assert.match((await test(DAEMON, WRONG_PIN)).stderr, /the PIN is wrong/);
    assert.equal((await test(ROOT, pin)).code, 0);
    assert.equal(readdirSync(join(state, 'pin-latches')).length, 1, 'the lock alone is left');
  });
});

describe('a user who cannot lock there', () => {
  it('makes no attempt, and is told which folder it is', async (t) => {
    const { spy, test, pin, state } = await makeFixture(t);
    assert.equal((await test(DAEMON, pin)).code, 0);
    const { code, stderr } = await test(STRANGER, pin);
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      new RegExp(`insecure permissions on ${state}: it belongs to user ID ${DAEMON}`),
    );
    assert.match(stderr, /clavigerd: hint: .*as root or as the user/);
    chownSync(state, ROOT, ROOT);
    chownSync(join(state, 'pin-latches'), ROOT, ROOT);
    const refused = await test(STRANGER, pin);
    assert.match(refused.stderr, /pin-latches.*: permission denied/);
    assert.match(refused.stderr, /clavigerd: hint: .*as root or as the user/);
    assert.equal(spy.calls('C_Login'), 1);
  });
});

describe("root in the daemon's folder", () => {
  for (const [what, plant] of [
    [
      'the folder of latches',
      (state: string, target: string) => {
        symlinkSync(target, join(state, 'pin-latches'));
      },
    ],
    [
      'the lock',
      (state: string, target: string) => {
        const folder = join(state, 'pin-latches');
        const [lock = ''] = readdirSync(folder).filter((name) => name.endsWith('.lock'));
        renameSync(join(folder, lock), join(folder, 'before'));
        symlinkSync(join(target, 'made'), join(folder, lock));
      },
    ],
  ] as const) {
    it(`is led nowhere by a link in place of ${what}`, async (t) => {
      const { spy, test, pin, state, folder } = await makeFixture(t);
      const target = join(folder, 'target');
      mkdirSync(target);
      let before = 0;
      if (what === 'the lock') {
        assert.equal((await test(ROOT, pin)).code, 0);
        before = 1;
      }
      plant(state, target);
      const { code, stderr } = await test(ROOT, pin);
      assert.notEqual(code, 0);
      assert.match(stderr, /symbolic link|no regular file/);
      assert.deepEqual(readdirSync(target), []);
      assert.equal(statSync(target).uid, ROOT);
      assert.equal(spy.calls('C_Login'), before);
    });
  }

  it('gives away no folder that it has not made', async (t) => {
    const { test, pin, state } = await makeFixture(t);
    const secret = join(state, 'pin-latches');
    mkdirSync(secret, { mode: 0o700 });
    writeFileSync(join(secret, 'of-root'), 'x', { mode: 0o600 });
    assert.equal((await test(ROOT, pin)).code, 0);
    assert.equal(statSync(secret).uid, ROOT);
    assert.equal(statSync(join(secret, 'of-root')).uid, ROOT);
  });
});
