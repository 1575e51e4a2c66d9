// One helper kept ready to sign: its start, the steps of recovery, its end. The token is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TokenLogin } from '../../../../src/keys/helper/login.js';
import { NotBegunError } from '../../../../src/keys/helper/pending-requests.js';
import { TokenSupervisor } from '../../../../src/keys/helper/supervisor.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import {
  endedHelper,
  FakeGuard,
  FakeToken,
  failedCall,
  KEY,
  MODULE,
} from '../../../support/keys/fake-token.js';

const START = ['load', 'openToken', 'login', 'selectKey'];
const AGAIN = ['load', 'openToken', 'listKeys', 'login', 'selectKey'];

interface Bed {
  readonly supervisor: TokenSupervisor;
  readonly token: FakeToken;
  readonly guard: FakeGuard;
  readonly log: string[];
  readonly losses: () => number;
  /** How often a helper has begun with a signature. */
  readonly begun: () => number;
  readonly sign: (input?: string, isWanted?: () => boolean) => Promise<string>;
}

function newBed(module = MODULE): Bed {
  const [token, guard, log] = [new FakeToken(), new FakeGuard(), [] as string[]];
  let [losses, begun] = [0, 0];
  const supervisor = new TokenSupervisor({
    module,
    token: {},
    key: {},
    login: new TokenLogin(guard),
    startHelper: token.startHelper,
    log: (level, message) => {
      log.push(`${level} ${message}`);
    },
    onLoss: () => {
      losses += 1;
    },
  });
  const onBegin = (): void => {
    begun += 1;
  };
  const sign = async (input = 'input', isWanted = (): boolean => true): Promise<string> =>
    (await supervisor.sign(Buffer.from(input), { onBegin, isWanted })).toString();
  return { supervisor, token, guard, log, sign, losses: () => losses, begun: () => begun };
}

function of(helper: number, calls: readonly string[]): string[] {
  return calls.map((call) => `${helper} ${call}`);
}

describe('TokenSupervisor', () => {
  it('starts a helper once, for several that ask, and signs with it', async () => {
    const { supervisor, token, log, sign, begun } = newBed();
    assert.equal(supervisor.pid, undefined);
    assert.ok(!supervisor.isReady);
    const [identity] = await Promise.all([supervisor.start(), supervisor.start(), sign()]);
    assert.deepEqual([identity.token, identity.key], [token.token, KEY]);
    assert.deepEqual(token.takeCalls(), of(1, [...START, 'sign']));
    assert.ok(supervisor.isReady);
    assert.equal(supervisor.pid, 1001);
    assert.deepEqual(log, ['info token helper: ready, process 1001, token serial 01']);
    assert.equal(await sign('another'), 'another');
    assert.deepEqual([token.takeCalls(), begun()], [['1 sign'], 2]);
  });

  it('starts no helper while the guard refuses logins', async () => {
    const { supervisor, token, guard } = newBed();
    guard.refusal = new AppError('KEY_PIN_HELD', 'held');
    await appErrorOf(() => supervisor.start(), 'KEY_PIN_HELD');
    assert.deepEqual(token.helpers, []);
    guard.refusal = undefined;
    await supervisor.start();
    assert.equal(token.helpers.length, 1);
  });

  it('retires a helper whose start failed, and starts another for the next request', async () => {
    const { supervisor, token, losses } = newBed();
    token.failOnce('openToken', new AppError('TOKEN_NOT_FOUND', 'none'));
    await appErrorOf(() => supervisor.start(), 'TOKEN_NOT_FOUND');
    await turn();
    assert.deepEqual(token.takeCalls(), ['1 load', '1 openToken', '1 close']);
    assert.deepEqual([losses(), supervisor.pid], [1, undefined]);
    await supervisor.start();
    assert.deepEqual(token.takeCalls(), of(2, START));
  });

  it('tries no refused PIN a second time', async () => {
    const { token, guard, sign } = newBed();
    token.failOnce('login', failedCall('CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'));
    await appErrorOf(() => sign(), 'TOKEN_PIN_INCORRECT');
    await turn();
    assert.deepEqual(token.takeCalls(), ['1 load', '1 openToken', '1 login', '1 close']);
    assert.equal(guard.logins, 1);
  });

  const steps: readonly (readonly [string, readonly string[]])[] = [
    ['CKR_KEY_HANDLE_INVALID', ['1 selectKey']],
    ['CKR_SESSION_CLOSED', of(1, ['openToken', 'listKeys', 'login', 'selectKey'])],
    ['CKR_USER_NOT_LOGGED_IN', of(1, ['openToken', 'listKeys', 'login again', 'selectKey'])],
    ['CKR_DEVICE_ERROR', of(1, ['reinitialise', 'openToken', 'listKeys', 'login', 'selectKey'])],
    ['CKR_HOST_MEMORY', ['1 kill', ...of(2, AGAIN)]],
  ];
  for (const [returnValue, recovery] of steps) {
    it(`recovers from ${returnValue}, and the caller sees none of it`, async () => {
      const { token, log, sign, losses } = newBed();
      await sign();
      token.takeCalls();
      token.failOnce('sign', failedCall(returnValue));
      assert.equal(await sign(), 'input');
      const last = recovery.at(-1)?.slice(0, 1) ?? '';
      assert.deepEqual(token.takeCalls(), ['1 sign', ...recovery, `${last} sign`]);
      assert.match(log[1] ?? '', new RegExp(`^warning token helper: .*${returnValue}; recovery: `));
      assert.equal(losses(), recovery[0] === '1 kill' ? 1 : 0);
    });
  }

  it('climbs while a failure lasts, then gives up, and starts anew for the next request', async () => {
    const { supervisor, token, log, sign, losses } = newBed();
    await sign();
    token.takeCalls();
    token.failAlways('sign', failedCall('CKR_KEY_HANDLE_INVALID'));
    await appErrorOf(() => sign(), 'TOKEN_FAILED');
    const rungs = log.flatMap((line) => /recovery: (.*)$/.exec(line)?.[1] ?? []);
    assert.deepEqual(rungs, ['find-key', 'new-session', 'log-in', 'reinitialise', 'new-helper']);
    assert.deepEqual(token.takeCalls().slice(-3), ['2 selectKey', '2 sign', '2 kill']);
    assert.deepEqual([losses(), supervisor.isReady], [2, false]);
    token.failAlways('sign', undefined);
    assert.equal(await sign(), 'input');
    assert.equal(token.helpers.length, 3);
  });

  it('goes on from the next rung when a step of the recovery fails itself', async () => {
    const { token, log, sign } = newBed();
    await sign();
    token.failOnce('sign', failedCall('CKR_KEY_HANDLE_INVALID'));
    token.failOnce('selectKey', new AppError('TOKEN_KEY_NOT_FOUND', 'no key'));
    assert.equal(await sign(), 'input');
    const rungs = log.flatMap((line) => /recovery: (.*)$/.exec(line)?.[1] ?? []);
    assert.deepEqual(rungs, ['find-key', 'new-session']);
  });

  it('starts at the bottom again after a signature', async () => {
    const { token, log, sign } = newBed();
    for (let count = 0; count < 3; count += 1) {
      await sign();
      token.failOnce('sign', failedCall('CKR_KEY_HANDLE_INVALID'));
      await sign();
    }
    const rungs = log.flatMap((line) => /recovery: (.*)$/.exec(line)?.[1] ?? []);
    assert.deepEqual(rungs, ['find-key', 'find-key', 'find-key']);
  });

  for (const [returnValue, code] of [
    ['CKR_FUNCTION_CANCELED', 'TOKEN_FAILED'],
    ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
  ] as const) {
    it(`fails the request alone after ${returnValue}, and keeps the helper`, async () => {
      const { supervisor, token, sign, losses } = newBed();
      await sign();
      token.takeCalls();
      token.failOnce('sign', failedCall(returnValue, code));
      await appErrorOf(() => sign(), code);
      assert.deepEqual([token.takeCalls(), losses(), supervisor.isReady], [['1 sign'], 0, true]);
    });
  }

  it('kills a helper after a hang, and does not send the request again', async () => {
    const { token, sign, losses } = newBed();
    await sign();
    token.takeCalls();
    token.failOnce('sign', new AppError('TOKEN_TIMEOUT', 'no answer'));
    await appErrorOf(() => sign(), 'TOKEN_TIMEOUT');
    assert.deepEqual([token.takeCalls(), losses()], [['1 sign', '1 kill'], 1]);
  });

  it('sends all requests of a helper that died to the next one', async () => {
    const { token, sign, begun } = newBed();
    await sign();
    token.takeCalls();
    token.isSlow = true;
    const all = ['a', 'b', 'c'].map((input) => sign(input));
    await turn();
    assert.deepEqual(token.helper.inHand, ['a', 'b', 'c']);
    token.isSlow = false;
    token.helper.die();
    assert.deepEqual(await Promise.all(all), ['a', 'b', 'c']);
    assert.deepEqual(
      token.takeCalls(),
      [...of(1, ['sign', 'sign', 'sign', 'kill']), ...of(2, [...AGAIN, 'sign', 'sign', 'sign'])],
      'one recovery for all three',
    );
    assert.equal(begun(), 5);
  });

  it('sends a request eight times at most', async () => {
    const { token, sign } = newBed();
    token.failAlways('sign', new NotBegunError('ended'));
    await appErrorOf(() => sign(), 'TOKEN_HELPER');
    assert.equal(token.calls.filter((call) => call.endsWith(' sign')).length, 8);
  });

  it('does not send it again for a client that has disconnected', async () => {
    const { token, sign, losses } = newBed();
    await sign();
    token.takeCalls();
    token.failOnce('sign', endedHelper());
    await appErrorOf(() => sign('input', () => false), 'TOKEN_HELPER');
    assert.deepEqual([token.takeCalls(), losses()], [['1 sign', '1 kill'], 1]);
  });

  it('refuses a token that comes back with another key', async () => {
    const { token, sign } = newBed();
    await sign();
    token.key = { ...KEY, jwk: { kty: 'EC', crv: 'P-256', x: 'BB', y: 'BB' } };
    token.failOnce('sign', failedCall('CKR_KEY_HANDLE_INVALID'));
    await appErrorOf(() => sign(), 'TOKEN_KEY_NOT_FOUND');
  });

  it('retires a helper in order, and a start that is on its way with it', async () => {
    const { supervisor, token, sign } = newBed();
    await sign();
    token.takeCalls();
    supervisor.retire();
    assert.deepEqual([supervisor.pid, supervisor.isReady], [undefined, false]);
    assert.deepEqual(token.takeCalls(), ['1 close']);
    const start = supervisor.start();
    await turn();
    supervisor.kill();
    await start.catch(() => undefined);
    await turn();
    assert.ok(token.helper.isEnded);
    assert.ok(!supervisor.isReady);
  });

  it('starts a helper when the one before has ended, and not earlier', async () => {
    const { supervisor, token, sign } = newBed();
    await sign();
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    token.helper.close = () => ended;
    supervisor.retire();
    const signing = sign();
    await turn();
    assert.equal(token.helpers.length, 1);
    end();
    assert.equal(await signing, 'input');
    assert.equal(token.helpers.length, 2);
  });

  it('closes its helpers in order, in bounded time, and starts none afterwards', async () => {
    const { supervisor, token, sign } = newBed();
    await sign();
    supervisor.retire();
    token.takeCalls();
    await sign();
    token.takeCalls();
    await supervisor.close();
    assert.deepEqual(token.takeCalls(), ['2 close within 4000', '1 close within 4000']);
    const error = await appErrorOf(() => sign(), 'TOKEN_HELPER');
    assert.equal(error.message, 'token helper: closed');
    assert.equal(token.helpers.length, 2);
  });

  it('starts helpers of one module one after another, those of others at the same time', async () => {
    const bedAt = (path: string): Bed => newBed({ ...MODULE, path });
    const [one, two, other] = [bedAt('/lib/a.so'), bedAt('/lib/a.so'), bedAt('/lib/b.so')];
    let failStart = (): void => undefined;
    one.token.gate = new Promise((_, reject) => {
      failStart = () => {
        reject(new AppError('TOKEN_MODULE', 'none'));
      };
    });
    const first = one.supervisor.start();
    const second = two.supervisor.start();
    await other.supervisor.start();
    assert.deepEqual([one.token.calls, two.token.calls], [['1 load'], []]);
    failStart();
    await appErrorOf(() => first, 'TOKEN_MODULE');
    await second;
    assert.deepEqual(two.token.calls, of(1, START));
  });
});
