// Many processes and one token: daemons that serve one client each, the service, commands. They
// share one latch, so that a PIN is tried once for all of them, and those with the right one wait
// for each other.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runClavigerd, startClavigerd } from '../../support/daemon/clavigerd.js';
import { createFaultyToken, CKR, type FaultyToken } from '../../support/modules/fault-module.js';
import { startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';

const WRONG_PIN = 'falsch-0815';
const REQUEST = formatSigningInput({
  alg: 'ES256',
  kid: 'https://ca.example.net/acct/1',
  url: 'https://ca.example.net/order/1',
});

interface Fixture {
  readonly faulty: FaultyToken;
  readonly state: string;
  readonly setPin: (pin: string) => void;
  /**
   * `clavigerd --stdio` with one request; its answer is the second line, or the first where none is
   * greeted.
   */
  readonly serveOne: () => Promise<CommandResult>;
  readonly keyTest: () => Promise<CommandResult>;
  readonly pinStatus: () => Promise<string>;
}

async function makeFixture(t: TestContext): Promise<Fixture> {
  const faulty = await createFaultyToken(t);
  const { hsm, token, uri } = faulty;
  const state = join(hsm.folder, 'state');
  const env = { ...hsm.env, STATE_DIRECTORY: state };
  return {
    faulty,
    state,
    setPin(pin) {
      writeFileSync(token.pinFile, `${pin}\n`, { mode: 0o600 });
    },
    serveOne: () => runClavigerd([`--privkey=${uri}`, '--stdio'], { env, input: `${REQUEST}\r\n` }),
    keyTest: () => runClavigerd(['key', 'test', uri, '--count=1'], { env }),
    async pinStatus() {
      return (await runClavigerd(['pin', 'status', `--state-directory=${state}`])).stdout;
    },
  };
}

function loginsOf({ faulty }: Fixture, name: keyof typeof CKR): number {
  return faulty.calls('C_Login').filter(({ returnValue }) => returnValue === CKR[name]).length;
}

function latchesOf({ state }: Fixture): string[] {
  const folder = join(state, 'pin-latches');
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
}

function hasSigned({ code, stdout }: CommandResult): boolean {
  const [greeting, , answer = '!'] = stdout.split('\r\n');
  return code === 0 && greeting?.startsWith('1 OK') === true && /^[\w-]{86}$/.test(answer);
}

/** Waits until a login is noted, and so about to be made. */
async function waitForLogin(fixture: Fixture): Promise<void> {
  for (let count = 0; latchesOf(fixture).length === 0; count++) {
    assert.ok(count < 2000, 'no login has begun');
    await sleep(5);
  }
}

describe('several processes and one PIN', () => {
  it('make two refused logins at most when its file was changed, six at once', async (t) => {
    const fixture = await makeFixture(t);
    fixture.setPin(WRONG_PIN);
    assert.match((await fixture.serveOne()).stderr, /the PIN is wrong/);
    fixture.setPin(`${WRONG_PIN}!`);
    fixture.faulty.setFaults('C_Login sleep=100');
    const results = await Promise.all(Array.from({ length: 6 }, () => fixture.serveOne()));
    assert.ok(results.every(({ code }) => code === 1));
    assert.equal(loginsOf(fixture, 'CKR_PIN_INCORRECT'), 2);
    const told = results.filter(({ stderr }) => /no PIN is tried: .* was refused/.test(stderr));
    assert.equal(told.length, 5);
  });

  it('all sign with a right one, four at once, and none is told of an unknown end', async (t) => {
    const fixture = await makeFixture(t);
    fixture.faulty.setFaults('C_Login sleep=300');
    const results = await Promise.all(Array.from({ length: 4 }, () => fixture.serveOne()));
    for (const result of results) {
      assert.ok(hasSigned(result), result.stderr);
    }
    assert.equal(loginsOf(fixture, 'CKR_OK'), 4);
    assert.deepEqual(latchesOf(fixture), []);
  });

  it('wait for each other no longer than an operation may take: token-locked then', async (t) => {
    const fixture = await makeFixture(t);
    const { hsm, uri } = fixture.faulty;
    assert.ok(hasSigned(await fixture.serveOne()));
    const folder = join(fixture.state, 'pin-latches');
    const [lock = ''] = readdirSync(folder);
    const holder = await startProcess(t, {
      command: 'flock',
      args: [join(folder, lock), 'sh', '-c', 'echo held; read -r line'],
      stdin: true,
      waitFor: /held/,
    });
    const daemon = await startClavigerd(t, {
      key: uri,
      env: hsm.env,
      stateDirectory: fixture.state,
      settings: 'sign-timeout = 5',
    });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'token-locked');
    assert.equal(loginsOf(fixture, 'CKR_OK'), 1);
    assert.match(readFileSync(daemon.logfile, 'utf8'), /another process is logging in to it/);
    holder.stdin.end('\n');
    const before = await client.signInTime();
    assert.ok(
      before.every((answer) => answer === 'token-locked'),
      before.join(),
    );
  });

  it('are not held up by a login that was cut off: how it ended is not known', async (t) => {
    const fixture = await makeFixture(t);
    const { hsm, uri } = fixture.faulty;
    fixture.faulty.setFaults('C_Login sleep=8000');
    const killed = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--privkey=${uri}`, '--stdio'],
      env: { ...hsm.env, STATE_DIRECTORY: fixture.state },
      stdin: true,
    });
    await waitForLogin(fixture);
    const waiting = fixture.serveOne();
    assert.match(await fixture.pinStatus(), /began at .*, and is under way/);
    killed.signal('SIGKILL');
    const { code, stderr } = await waiting;
    assert.equal(code, 1);
    assert.match(stderr, /how it ended is not known/);
    assert.match(await fixture.pinStatus(), /how it ended is not known/);
  });

  it('share what a command found out: the next one and the daemon do not try again', async (t) => {
    const fixture = await makeFixture(t);
    const { hsm, uri, token } = fixture.faulty;
    fixture.setPin(WRONG_PIN);
    const first = await fixture.keyTest();
    assert.equal(first.code, 1);
    assert.match(first.stderr, /the PIN is wrong/);
    assert.match(first.stderr, /hint: one attempt was made and no other will be: .*pin clear/);
    const second = await fixture.keyTest();
    assert.match(second.stderr, /no PIN is tried: the PIN of file:.* was refused at/);
    const list = await runClavigerd(['key', 'list', '--uri', hsm.uri(token, {}), '--login'], {
      env: { ...hsm.env, STATE_DIRECTORY: fixture.state },
    });
    assert.match(list.stderr, /no PIN is tried/);
    assert.match(await fixture.pinStatus(), /was refused at .*CKR_PIN_INCORRECT/);
    const daemon = await startClavigerd(t, {
      key: uri,
      env: hsm.env,
      stateDirectory: fixture.state,
    });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'token-locked');
    assert.equal(fixture.faulty.calls('C_Login').length, 1);
    fixture.setPin(token.pin);
    assert.equal((await fixture.keyTest()).code, 0);
    await client.signInTime();
    assert.match(await fixture.pinStatus(), /^no PIN has been refused/);
  });
});

describe('an orderly end during a login', () => {
  for (const [what, signal] of [
    ['of a daemon', 'SIGTERM'],
    ['of a daemon', 'SIGINT'],
    ['of a command', 'SIGINT'],
    ['of a command', 'SIGTERM'],
  ] as const) {
    it(`${what} by ${signal} waits for it, and leaves no latch`, async (t) => {
      const fixture = await makeFixture(t);
      const { hsm, uri } = fixture.faulty;
      fixture.faulty.setFaults('C_Login sleep=1500');
      const isCommand = what === 'of a command';
      const own = isCommand ? ['key', 'test', uri] : [`--privkey=${uri}`, '--stdio'];
      const started = await startProcess(t, {
        command: process.execPath,
        args: [CLAVIGERD, ...own],
        env: { ...hsm.env, STATE_DIRECTORY: fixture.state },
        stdin: true,
      });
      await waitForLogin(fixture);
      started.signal(signal);
      const ended = await started.waitForExit();
      assert.deepEqual(
        ended,
        isCommand ? { code: null, signal } : { code: signal === 'SIGINT' ? 130 : 0, signal: null },
      );
      assert.equal(loginsOf(fixture, 'CKR_OK'), 1);
      assert.deepEqual(latchesOf(fixture), []);
      fixture.faulty.setFaults();
      assert.ok(hasSigned(await fixture.serveOne()));
    });
  }

  it('of a service by SIGTERM waits for it, and leaves no latch', async (t) => {
    const fixture = await makeFixture(t);
    const { hsm, uri } = fixture.faulty;
    fixture.faulty.setFaults('C_Login sleep=1500');
    const socket = join(hsm.folder, 'S');
    const started = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--privkey=${uri}`, `--socket=${socket}`],
      env: { ...hsm.env, STATE_DIRECTORY: fixture.state },
    });
    await waitForLogin(fixture);
    started.signal('SIGTERM');
    assert.deepEqual(await started.waitForExit(), { code: 0, signal: null });
    assert.deepEqual(latchesOf(fixture), []);
    assert.equal(loginsOf(fixture, 'CKR_OK'), 1);
  });
});
