// The rule of one attempt a source: restarts are new guards on the same state directory, and the
// token is a function that counts.

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
import { LoginGuard, type LoginGuardOptions } from '../../../../src/keys/pin/login-guard.js';
import type { TokenPinSource } from '../../../../src/keys/pin/pin-keeper.js';
import { formatPinSource, identifyPinSource } from '../../../../src/keys/pin/pin-identity.js';
import { LoginAttempts } from '../../../../src/keys/pin/login-attempts.js';
import { newLatch } from '../../../../src/keys/pin/latch.js';
import { listLatches, PinLatchStore, removeLatch } from '../../../../src/keys/pin/latch-store.js';
import { parsePinSource, readPin } from '../../../../src/keys/pin/pin-source.js';
import { AppError } from '../../../../src/lib/errors.js';
import { Secret } from '../../../../src/lib/secret.js';
import type { TokenInfo } from '../../../../src/token/messages.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO as TOKEN } from '../../../support/keys/token-info.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const WAIT = { waitMs: 20_000, signal: new AbortController().signal };
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
      : Promise.reject(
          new TokenError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT', {
            returnValue: 'CKR_PIN_INCORRECT',
          }),
        );
  };
}

/** An attempt that goes on until it is told to finish. */
function slowAttempt(): { attempt: () => Promise<void>; begun: Promise<void>; finish: () => void } {
  let [begin, finish] = [(): void => undefined, (): void => undefined];
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const attempt = (): Promise<void> => {
    begin();
    return finished;
  };
  return { attempt, begun, finish };
}

interface Fixture {
  readonly state: string;
  readonly pinFile: string;
  readonly token: FakeToken;
  readonly messages: string[];
  readonly time: { now: number };
  /** As after a restart. */
  readonly guard: (options?: Partial<LoginGuardOptions>) => LoginGuard;
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
    mayAsk: false,
    read: () => readPin(source, 'PIN', { env: {} }),
  };
  return {
    state,
    pinFile,
    token: new FakeToken(),
    messages,
    time,
    guard: (options = {}) =>
      new LoginGuard({
        source: pinSource,
        latches: new PinLatchStore(state),
        attempts: new LoginAttempts(),
        lockWaitMs: 20_000,
        log: (level, message) => {
          messages.push(`${level} ${message}`);
        },
        clock: { now: () => time.now },
        ...options,
      }),
    setPin: (pin) => {
      writeFileSync(pinFile, pin, { mode: 0o600 });
    },
  };
}

describe('login guard', () => {
  it('sends a right PIN, and leaves no latch', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const one = guard();
    await one.login(TOKEN, token.attempt);
    await one.login(TOKEN, token.attempt);
    assert.deepEqual(token.attempts, [RIGHT, RIGHT]);
    assert.deepEqual(listLatches(state), []);
    assert.equal(one.refusal, undefined);
  });

  it('sends a wrong PIN once, whoever asks and however often it is restarted', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    const one = guard();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => one.login(TOKEN, token.attempt)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      Array.from({ length: 5 }, () => 'rejected'),
    );
    assert.equal(one.refusal?.code, 'KEY_PIN_HELD');
    for (let restart = 0; restart < 50; restart++) {
      await appErrorOf(() => guard().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    }
    assert.deepEqual(token.attempts, [WRONG]);
    const [stored] = listLatches(state);
    assert.equal(stored?.latch?.state, 'refused');
    assert.equal(stored.latch.token.serial, TOKEN.serial);
  });

  it('explains a wrong PIN with what to do here, and leaves other refusals as they are', async (t) => {
    const { guard, setPin, token } = await makeFixture(t);
    setPin(WRONG);
    const wrong = await appErrorOf(
      () => guard().login(TOKEN, token.attempt),
      'TOKEN_PIN_INCORRECT',
    );
    assert.match(wrong.hint ?? '', /^one attempt was made and no other will be: correct file:/);
    setPin(`${WRONG}!`);
    token.trouble = new TokenError('TOKEN_PIN_LOCKED', 'locked', { hint: 'unlock it' });
    const locked = await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_LOCKED');
    assert.equal(locked, token.trouble);
  });

  it('writes nothing down that is made of the PIN', async (t) => {
    const { guard, setPin, token, state, messages } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
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
    const { guard, setPin, token, state, messages } = await makeFixture(t);
    setPin(WRONG);
    const one = guard();
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
    const { guard, setPin, token, state } = await makeFixture(t);
    for (let start = 0; start < 10; start++) {
      setPin(`${WRONG}-${start}`);
      await assert.rejects(guard().login(TOKEN, token.attempt));
    }
    assert.equal(token.attempts.length, 2);
    const error = await appErrorOf(() => guard().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.hint ?? '', /2 attempts in a row failed/);
    await removeLatch(listLatches(state)[0]?.path ?? '', WAIT);
    setPin(RIGHT);
    await guard().login(TOKEN, token.attempt);
  });

  it('opens when the latch is cleared, in a running process too', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    const one = guard();
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    await removeLatch(listLatches(state)[0]?.path ?? '', WAIT);
    assert.equal(one.refusal, undefined);
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.equal(token.attempts.length, 2);
  });

  it('counts an attempt that was cut off as refused', async (t) => {
    const { guard, setPin, token, pinFile, state } = await makeFixture(t);
    setPin(RIGHT);
    const identity = identifyPinSource(parsePinSource(pinFile), undefined);
    const latch = newLatch(TOKEN, { source: `file:${pinFile}`, identity }, undefined, 0);
    await new PinLatchStore(state).withLock(TOKEN, WAIT, (locked) => locked.write(latch));
    const one = guard();
    const error = await appErrorOf(() => one.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.message, /how it ended is not known/);
    assert.match(error.hint ?? '', /clavigerd pin clear --token=a1b2 --state-directory=\//);
    assert.equal(one.refusal?.code, 'KEY_PIN_HELD', 'now without asking for the lock');
    assert.deepEqual(token.attempts, []);
  });

  it('waits for an attempt of another process that is under way, for as long as one may', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const { attempt, begun, finish } = slowAttempt();
    const slow = guard().login(TOKEN, attempt);
    await begun;
    assert.equal(listLatches(state)[0]?.isUnderWay, true);
    const attempts = new LoginAttempts();
    const [impatient, patient] = [guard({ lockWaitMs: 50 }), guard()];
    const error = await appErrorOf(() => impatient.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.message, /another process is logging in to it/);
    const stopped = guard({ attempts }).login(TOKEN, token.attempt);
    await Promise.all([appErrorOf(() => stopped, 'KEY_PIN_HELD'), attempts.stop()]);
    const waiting = patient.login(TOKEN, token.attempt);
    assert.equal(patient.refusal, undefined, 'nobody is told that the PIN was refused');
    finish();
    await Promise.all([slow, waiting]);
    assert.deepEqual(token.attempts, [RIGHT]);
    assert.deepEqual(listLatches(state), []);
  });

  it('has all of many processes log in with a right PIN, one after the other', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    let atOnce = 0;
    const attempt = async (pin: Secret): Promise<void> => {
      atOnce += 1;
      assert.equal(atOnce, 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await token.attempt(pin);
      atOnce -= 1;
    };
    await Promise.all(Array.from({ length: 6 }, () => guard().login(TOKEN, attempt)));
    assert.equal(token.attempts.length, 6);
    assert.deepEqual(listLatches(state), []);
  });

  it('has two of many processes try at most, though the source has changed', async (t) => {
    const { guard, setPin, token } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    setPin(`${WRONG}!`);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, () => guard().login(TOKEN, token.attempt)),
    );
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.deepEqual(token.attempts, [WRONG, `${WRONG}!`]);
  });

  it('asks a person before it keeps others from the token', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    let answer: ((pin: Secret) => void) | undefined;
    const asked = guard({
      source: {
        name: 'prompt',
        mayAsk: true,
        identify: () => 'prompt',
        read: () => new Promise<Secret>((resolve) => (answer = resolve)),
      },
    });
    const slow = asked.login(TOKEN, token.attempt);
    await guard({ lockWaitMs: 10_000 }).login(TOKEN, token.attempt);
    answer?.(Secret.fromText(RIGHT));
    await slow;
    assert.deepEqual(token.attempts, [RIGHT, RIGHT]);
    assert.deepEqual(listLatches(state), []);
  });

  it('keeps the PIN of the security officer apart: it has tries of its own', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    const officer = guard({ latches: new PinLatchStore(state, 'so') });
    const locked: TokenInfo = { ...TOKEN, pinState: 'locked' };
    await appErrorOf(() => officer.login(locked, token.attempt), 'TOKEN_PIN_INCORRECT');
    const error = await appErrorOf(() => officer.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.match(error.message, /the SO PIN of file:/);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.equal(token.attempts.length, 2);
  });

  it('lets no attempt begin when the process stops, and waits for the one under way', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const { attempt, begun, finish } = slowAttempt();
    const attempts = new LoginAttempts();
    const login = guard({ attempts }).login(TOKEN, attempt);
    await begun;
    let isStopped = false;
    const stopping = attempts.stop().then(() => {
      isStopped = true;
    });
    await appErrorOf(() => guard({ attempts }).login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.ok(!isStopped);
    finish();
    await Promise.all([login, stopping]);
    assert.deepEqual(listLatches(state), []);
    assert.deepEqual(token.attempts, []);
  });

  it('counts a login that failed half-way as refused, unless the PIN has worked before', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    token.trouble = new TokenError('TOKEN_ABSENT', 'token: C_Login: CKR_DEVICE_REMOVED (0x32)', {
      returnValue: 'CKR_DEVICE_REMOVED',
    });
    const one = guard();
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    await removeLatch(listLatches(state)[0]?.path ?? '', WAIT);
    token.trouble = undefined;
    await one.login(TOKEN, token.attempt);
    token.trouble = new TokenError('TOKEN_ABSENT', 'token: C_Login: CKR_DEVICE_REMOVED (0x32)', {
      returnValue: 'CKR_DEVICE_REMOVED',
    });
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    token.trouble = undefined;
    await one.login(TOKEN, token.attempt);
    assert.equal(token.attempts.length, 4);
  });

  it('leaves the token alone when logins with a proven PIN fail half-way twice in a row', async (t) => {
    const { guard, setPin, token, time } = await makeFixture(t);
    setPin(RIGHT);
    const one = guard();
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
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    token.trouble = new TokenError('TOKEN_ABSENT', 'token: C_Login: CKR_TOKEN_NOT_PRESENT (0xe0)', {
      returnValue: 'CKR_TOKEN_NOT_PRESENT',
    });
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_ABSENT');
    assert.deepEqual(listLatches(state), []);
  });

  it('holds after a proven PIN is refused for one signature', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    const one = guard();
    await one.login(TOKEN, token.attempt);
    assert.equal(await one.withProvenPin(TOKEN, () => Promise.resolve('signed')), 'signed');
    assert.deepEqual(listLatches(state), [], 'it is proven, and not noted each time');
    const refusal = new TokenError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT', {
      returnValue: 'CKR_PIN_INCORRECT',
    });
    const others = Array.from({ length: 3 }, () => guard());
    for (const other of others) {
      await other.login(TOKEN, token.attempt);
    }
    let refused = 0;
    const outcomes = await Promise.allSettled(
      [one, ...others].map((each) =>
        each.withProvenPin(TOKEN, () => {
          refused += 1;
          return Promise.reject(refusal);
        }),
      ),
    );
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.equal(refused, 1, 'no other process sends it again');
    assert.equal(one.refusal?.code, 'KEY_PIN_HELD');
    assert.equal(listLatches(state).length, 1);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.equal(token.attempts.length, 4);
  });

  it('forgets a proven PIN that is refused: when the latch is cleared, the source is read', async (t) => {
    const { guard, token, state } = await makeFixture(t);
    const answers = [RIGHT, WRONG, RIGHT];
    const one = guard({
      source: {
        name: 'prompt',
        mayAsk: true,
        identify: () => 'prompt',
        read: () => Promise.resolve(Secret.fromText(answers.shift() ?? '')),
      },
    });
    await one.login(TOKEN, token.attempt);
    token.trouble = new TokenError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT', {
      returnValue: 'CKR_PIN_INCORRECT',
    });
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    await removeLatch(listLatches(state)[0]?.path ?? '', WAIT);
    token.trouble = undefined;
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual(token.attempts, [RIGHT, RIGHT, WRONG]);
  });

  it('sends no refused PIN from a source that is changed back after the latch was read', async (t) => {
    const { guard, token } = await makeFixture(t);
    const changes: string[] = [];
    const source: TokenPinSource = {
      name: 'file:/pin',
      mayAsk: false,
      identify: () => changes.shift() ?? 'refused',
      read: () => Promise.resolve(Secret.fromText(WRONG)),
    };
    await appErrorOf(() => guard({ source }).login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    changes.push('changed');
    await appErrorOf(() => guard({ source }).login(TOKEN, token.attempt), 'KEY_PIN_HELD');
    assert.deepEqual(token.attempts, [WRONG]);
  });

  it('reads a changed source anew instead of sending an old PIN', async (t) => {
    const { guard, setPin, token, pinFile } = await makeFixture(t);
    setPin(RIGHT);
    const one = guard();
    await one.login(TOKEN, token.attempt);
    writeFileSync(`${pinFile}.new`, `${RIGHT}\n`, { mode: 0o600 });
    setPin(WRONG);
    await appErrorOf(() => one.login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual(token.attempts, [RIGHT, WRONG]);
  });

  it('does not try where the token has one try left or none, and looks again after a while', async (t) => {
    const { guard, setPin, token, time, messages } = await makeFixture(t);
    setPin(RIGHT);
    const one = guard();
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
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(RIGHT);
    mkdirSync(state, { mode: 0o700 });
    chmodSync(state, 0o777);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'SYS_UNSAFE_PATH');
    chmodSync(state, 0o700);
    writeFileSync(join(state, 'pin-latches'), 'in the way');
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'SYS_FILE');
    await appErrorOf(
      () => guard({ latches: new PinLatchStore('') }).login(TOKEN, token.attempt),
      'SYS_FILE',
    );
    assert.deepEqual(token.attempts, []);
  });

  it('is held by a latch that is damaged', async (t) => {
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    const { path } = listLatches(state)[0] ?? { path: '' };
    for (const content of ['', '{', '{"version":2}', 'null']) {
      writeFileSync(path, content);
      await appErrorOf(() => guard().login(TOKEN, token.attempt), 'KEY_PIN_HELD');
      assert.equal(listLatches(state)[0]?.latch, undefined);
    }
    assert.equal(token.attempts.length, 1);
  });

  it('lets one of two processes try', async (t) => {
    const { guard, setPin, token } = await makeFixture(t);
    setPin(WRONG);
    const outcomes = await Promise.allSettled([
      guard().login(TOKEN, token.attempt),
      guard().login(TOKEN, token.attempt),
    ]);
    assert.ok(outcomes.every(({ status }) => status === 'rejected'));
    assert.equal(token.attempts.length, 1);
  });

  it('sends no PIN that is not UTF-8', async (t) => {
    const { guard, pinFile, token, state } = await makeFixture(t);
    writeFileSync(pinFile, Buffer.from([0x31, 0xe9, 0x31]), { mode: 0o600 });
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'KEY_PIN');
    writeFileSync(pinFile, 'clé-4711', { mode: 0o600 });
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual(token.attempts, ['clé-4711']);
    assert.ok(existsSync(state));
  });

  it('pauses after a source that cannot be read', async (t) => {
    const { guard, setPin, token, time } = await makeFixture(t);
    const one = guard();
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
    const { guard, setPin, token, state } = await makeFixture(t);
    setPin(WRONG);
    await appErrorOf(() => guard().login(TOKEN, token.attempt), 'TOKEN_PIN_INCORRECT');
    const folder = join(state, 'pin-latches');
    const [stored] = listLatches(state);
    const name = stored?.path.slice(folder.length + 1) ?? '';
    renameSync(folder, `${folder}-elsewhere`);
    symlinkSync(`${folder}-elsewhere`, folder);
    await appErrorOf(() => listLatches(state), 'SYS_UNSAFE_PATH');
    await appErrorOf(() => removeLatch(join(folder, name), WAIT), 'SYS_UNSAFE_PATH');
    unlinkSync(folder);
    mkdirSync(folder);
    symlinkSync(join(`${folder}-elsewhere`, name), join(folder, name));
    const path = join(folder, name);
    assert.deepEqual(listLatches(state), [{ path, latch: undefined, isUnderWay: false }]);
    await removeLatch(join(folder, name), WAIT);
    assert.ok(readdirSync(`${folder}-elsewhere`).includes(name));
  });
});
