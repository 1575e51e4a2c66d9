// The rule of one attempt a source: restarts are new governors on the same state directory, and the token is
// a function that counts.

import assert from 'node:assert/strict';
import {
  renameSync,
  symlinkSync,
  unlinkSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PinGovernor, type TokenPinSource } from '../../../src/keys/pin-governor.js';
import { formatPinSource, GONE, identifyPinSource } from '../../../src/keys/pin-identity.js';
import {
  FileLatchStore,
  listLatches,
  MemoryLatchStore,
  removeLatch,
  type PinLatchStore,
} from '../../../src/keys/pin-latch-store.js';
import { parsePinSource, readPin } from '../../../src/keys/pin-source.js';
import { AppError } from '../../../src/lib/errors.js';
import type { Secret } from '../../../src/lib/secret.js';
import type { TokenInfo } from '../../../src/token/messages.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeTempDir } from '../../support/temp-dir.js';

const TOKEN: TokenInfo = {
  label: 'acme',
  serial: 'a1b2',
  manufacturer: 'maker',
  model: 'model',
  slotId: 1,
  initialized: true,
  loginRequired: true,
  pinState: 'ok',
};
const RIGHT = 'geheim-4711';
const WRONG = 'falsch-0815';

/** A token that counts wrong PINs, and says of other troubles what it is told to. */
class FakeToken {
  attempts: string[] = [];
  trouble: AppError | undefined;

  readonly attempt = (pin: Secret): Promise<void> => {
    const text = pin.use((bytes) => bytes.toString('utf8'));
    this.attempts.push(text);
    if (this.trouble !== undefined) {
      return Promise.reject(this.trouble);
    }
    return text === RIGHT
      ? Promise.resolve()
      : Promise.reject(new AppError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT'));
  };
}

interface Fixture {
  readonly state: string;
  readonly pinFile: string;
  readonly token: FakeToken;
  readonly messages: string[];
  readonly time: { now: number };
  /** As after a restart. */
  readonly governor: (store?: PinLatchStore) => PinGovernor;
  readonly setPin: (pin: string) => void;
}

async function makeFixture(t: TestContext): Promise<Fixture> {
  const folder = await makeTempDir(t);
  const state = join(folder, 'state');
  const pinFile = join(folder, 'pin');
  const messages: string[] = [];
  const time = { now: 1_800_000_000_000 };
  const source = parsePinSource(pinFile);
  const pinSource: TokenPinSource = {
    name: formatPinSource(source),
    identify: () => identifyPinSource(source, undefined),
    read: () => readPin(source, 'PIN', { env: {} }),
  };
  return {
    state,
    pinFile,
    token: new FakeToken(),
    messages,
    time,
    governor: (latches = new FileLatchStore(state)) =>
      new PinGovernor({
        source: pinSource,
        latches,
        log: (level, message) => {
          messages.push(`${level} ${message}`);
        },
        clock: { now: () => time.now },
      }),
    setPin: (pin) => {
      writeFileSync(pinFile, pin, { mode: 0o600 });
    },
  };
}

describe('PIN governor', () => {
  it('sends a right PIN, and leaves no latch', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const one = governor();
    await one.login(TOKEN, token.attempt);
    await one.login(TOKEN, token.attempt);
    assert.deepEqual(token.attempts, [RIGHT, RIGHT]);
    assert.deepEqual(listLatches(state), []);
    assert.equal(one.refusal, undefined);
  });

  it('sends a wrong PIN once, whoever asks and however often it is restarted', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    const one = governor();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => one.login(TOKEN, token.attempt)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      Array.from({ length: 5 }, () => 'rejected'),
    );
    assert.equal(one.refusal?.code, 'KEY_PIN_HELD');
    for (let restart = 0; restart < 50; restart++) {
      await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    }
    assert.deepEqual(token.attempts, [WRONG]);
    const [stored] = listLatches(state);
    assert.equal(stored?.latch?.state, 'refused');
    assert.equal(stored.latch.token.serial, TOKEN.serial);
  });

  it('writes nothing down that is made of the PIN', async (t) => {
    const { governor, setPin, token, state, messages } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    const folder = join(state, 'pin-latches');
    const [name] = readdirSync(folder);
    const content = readFileSync(join(folder, name ?? ''), 'utf8');
    const keys = [...content.matchAll(/"([a-z]+)":/g)].map((match) => match[1]);
    assert.deepEqual(
      keys.sort(),
      [
        ...['attempts', 'identity', 'label', 'manufacturer', 'model', 'reason', 'serial'],
        ...['since', 'source', 'state', 'token', 'version'],
      ].sort(),
    );
    assert.doesNotMatch(`${content}${messages.join('')}`, new RegExp(WRONG));
  });

  it('tries again when the file has changed, and forgets after a success', async (t) => {
    const { governor, setPin, token, state, messages } = await makeFixture(t);
    setPin(WRONG);
    const one = governor();
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.equal(one.refusal?.code, 'KEY_PIN_HELD');
    setPin(RIGHT);
    assert.equal(one.refusal, undefined, 'looked at without a restart');
    await one.login(TOKEN, token.attempt);
    assert.deepEqual(token.attempts, [WRONG, RIGHT]);
    assert.deepEqual(listLatches(state), []);
    assert.ok(messages.some((text) => /^notice .*the PIN source has changed/.test(text)));
  });

  it('makes two attempts with changed sources and no third: a file made anew at each start is no news', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    for (let start = 0; start < 10; start++) {
      setPin(`${WRONG}-${start}`);
      await assert.rejects(governor().login(TOKEN, token.attempt));
    }
    assert.equal(token.attempts.length, 2);
    const error = await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.hint ?? '', /2 attempts in a row failed/);
    removeLatch(listLatches(state)[0]?.path ?? '');
    setPin(RIGHT);
    await governor().login(TOKEN, token.attempt);
  });

  it('opens when the latch is cleared, in a running process too', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    const one = governor();
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    removeLatch(listLatches(state)[0]?.path ?? '');
    assert.equal(one.refusal, undefined);
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.equal(token.attempts.length, 2);
  });

  it('counts an attempt that was cut off as refused', async (t) => {
    const { governor, setPin, token } = await makeFixture(t);
    setPin(RIGHT);
    const killed = new Promise<void>(() => undefined);
    let isSent = (): void => undefined;
    const sent = new Promise<void>((resolve) => {
      isSent = resolve;
    });
    void governor().login(TOKEN, () => {
      isSent();
      return killed;
    });
    await sent;
    const error = await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.message, /how it ended is not known/);
    assert.match(error.hint ?? '', /clavigerd pin clear --token=a1b2/);
    assert.deepEqual(token.attempts, []);
  });

  it('counts a login that failed half-way as refused, unless the PIN has worked before', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    token.trouble = new AppError('TOKEN_ABSENT', 'token: C_Login: CKR_DEVICE_REMOVED (0x32)');
    const one = governor();
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    removeLatch(listLatches(state)[0]?.path ?? '');
    token.trouble = undefined;
    await one.login(TOKEN, token.attempt);
    token.trouble = new AppError('TOKEN_ABSENT', 'token: C_Login: CKR_DEVICE_REMOVED (0x32)');
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    token.trouble = undefined;
    await one.login(TOKEN, token.attempt);
    assert.equal(token.attempts.length, 4);
  });

  it('leaves the token alone when logins with a proven PIN fail half-way twice in a row', async (t) => {
    const { governor, setPin, token, time } = await makeFixture(t);
    setPin(RIGHT);
    const one = governor();
    const held = (): string | undefined => one.refusal?.code;
    const fail = async (): Promise<void> => {
      token.trouble = new AppError('TOKEN_TIMEOUT', 'token: no answer within 30 s');
      await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_TIMEOUT');
      token.trouble = undefined;
    };
    await one.login(TOKEN, token.attempt);
    await fail();
    await one.login(TOKEN, token.attempt);
    await fail();
    assert.equal(held(), undefined, 'it has worked between the two');
    for (const pauseMs of [60_000, 120_000, 240_000]) {
      await fail();
      assert.equal(held(), 'KEY_PIN_HELD');
      const sent = token.attempts.length;
      time.now += pauseMs - 1;
      await appErrorOf(() => one.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
      assert.equal(token.attempts.length, sent);
      time.now += 1;
      assert.equal(held(), undefined);
    }
    await one.login(TOKEN, token.attempt);
    await fail();
    assert.equal(held(), undefined);
  });

  it('takes a login that never reached the PIN for none', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    token.trouble = new AppError('TOKEN_ABSENT', 'token: C_Login: CKR_TOKEN_NOT_PRESENT (0xe0)');
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    assert.deepEqual(listLatches(state), []);
  });

  it('holds after a proven PIN is refused for one signature', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const one = governor();
    await one.login(TOKEN, token.attempt);
    const refusal = new AppError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT');
    const noted = one.refused(TOKEN, refusal);
    assert.equal(one.refusal, refusal, 'at once');
    await noted;
    assert.equal(listLatches(state).length, 1);
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.equal(token.attempts.length, 1);
  });

  it('reads a changed source anew instead of sending an old PIN', async (t) => {
    const { governor, setPin, token, pinFile } = await makeFixture(t);
    setPin(RIGHT);
    const one = governor();
    await one.login(TOKEN, token.attempt);
    writeFileSync(`${pinFile}.new`, `${RIGHT}\n`, { mode: 0o600 });
    setPin(WRONG);
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual(token.attempts, [RIGHT, WRONG]);
  });

  it('does not try where the token has one try left or none, and looks again after a while', async (t) => {
    const { governor, setPin, token, time, messages } = await makeFixture(t);
    setPin(RIGHT);
    const one = governor();
    for (const pinState of ['final-try', 'locked'] as const) {
      await appErrorOf(() => one.login({ ...TOKEN, pinState }, token.attempt), 'TOKEN_PIN_LOCKED');
    }
    assert.equal(one.refusal?.code, 'TOKEN_PIN_LOCKED');
    time.now += 10_000;
    assert.equal(one.refusal, undefined);
    assert.deepEqual(token.attempts, []);
    await one.login({ ...TOKEN, pinState: 'count-low' }, token.attempt);
    assert.ok(messages.some((text) => /^warning .*used up tries already/.test(text)));
  });

  it('makes no attempt that it cannot note', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    mkdirSync(state, { mode: 0o700 });
    chmodSync(state, 0o777);
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'SYS_UNSAFE_PATH');
    chmodSync(state, 0o700);
    writeFileSync(join(state, 'pin-latches'), 'in the way');
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'SYS_FILE');
    await appErrorOf(
      () => governor(new FileLatchStore('')).login(TOKEN, token.attempt),
      'SYS_FILE',
    );
    assert.deepEqual(token.attempts, []);
  });

  it('is held by a latch that is damaged', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    const { path } = listLatches(state)[0] ?? { path: '' };
    for (const content of ['', '{', '{"version":2}', 'null']) {
      writeFileSync(path, content);
      await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
      assert.equal(listLatches(state)[0]?.latch, undefined);
    }
    assert.equal(token.attempts.length, 1);
  });

  it('lets one of two processes try', async (t) => {
    const { governor, setPin, token } = await makeFixture(t);
    setPin(WRONG);
    const outcomes = await Promise.allSettled([
      governor().login(TOKEN, token.attempt),
      governor().login(TOKEN, token.attempt),
    ]);
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.equal(token.attempts.length, 1);
  });

  it('sends no PIN that is not UTF-8', async (t) => {
    const { governor, pinFile, token, state } = await makeFixture(t);
    writeFileSync(pinFile, Buffer.from([0x31, 0xe9, 0x31]), { mode: 0o600 });
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'KEY_PIN');
    writeFileSync(pinFile, 'clé-4711', { mode: 0o600 });
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual(token.attempts, ['clé-4711']);
    assert.ok(existsSync(state));
  });

  it('pauses after a source that cannot be read', async (t) => {
    const { governor, setPin, token, time } = await makeFixture(t);
    const one = governor(new MemoryLatchStore());
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'SYS_PATH');
    assert.equal(one.refusal?.code, 'SYS_PATH');
    setPin(RIGHT);
    time.now += 10_000;
    assert.equal(one.refusal, undefined);
    await one.login(TOKEN, token.attempt);
  });
});

describe('latches, looked at by root in the folder of another user', () => {
  it('are listed and removed without following links', async (t) => {
    const { governor, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => governor().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    const folder = join(state, 'pin-latches');
    const [stored] = listLatches(state);
    const name = stored?.path.slice(folder.length + 1) ?? '';
    renameSync(folder, `${folder}-elsewhere`);
    symlinkSync(`${folder}-elsewhere`, folder);
    await appErrorOf(() => listLatches(state), 'SYS_FILE');
    await appErrorOf(() => {
      removeLatch(join(folder, name));
    }, 'SYS_FILE');
    unlinkSync(folder);
    mkdirSync(folder);
    symlinkSync(join(`${folder}-elsewhere`, name), join(folder, name));
    assert.deepEqual(listLatches(state), [{ path: join(folder, name), latch: undefined }]);
    removeLatch(join(folder, name));
    assert.deepEqual(readdirSync(`${folder}-elsewhere`), [name]);
  });
});

describe('identity of a PIN source', () => {
  it('changes with the file: its content, its inode, its times', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'pin');
    const identify = (): string => identifyPinSource(parsePinSource(path), undefined);
    assert.equal(identify(), GONE);
    writeFileSync(path, '1');
    const first = identify();
    assert.equal(identify(), first);
    writeFileSync(path, '2');
    assert.notEqual(identify(), first);
  });

  it('stays with what is made anew at each start, and with what cannot be seen', async (t) => {
    const folder = await makeTempDir(t);
    writeFileSync(join(folder, 'pin'), '1');
    const identify = (text: string): string => identifyPinSource(parsePinSource(text), folder);
    for (const text of [
      `file:${folder}/pin`,
      'credential:pin',
      'env:PIN',
      '|cat /x',
      'pinentry',
      'pinpad',
    ]) {
      const before = identify(text);
      writeFileSync(join(folder, 'pin'), '2');
      assert.equal(identify(text), before, text);
    }
    assert.match(identify('prompt'), new RegExp(`process ${process.pid} `));
  });

  it('is shown to people without the arguments of a command', () => {
    assert.equal(formatPinSource(parsePinSource('|pass show acme')), '|pass');
    assert.equal(formatPinSource(parsePinSource('credential:pin')), 'credential:pin');
    assert.equal(formatPinSource(parsePinSource('env:PIN')), 'env:PIN');
    assert.equal(formatPinSource(parsePinSource('pinpad')), 'pinpad');
  });
});
