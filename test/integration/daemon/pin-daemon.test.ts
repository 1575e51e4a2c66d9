// The daemon whose PIN is refused, whose token is away, or whose PIN source is no plain file: it
// stays up, tries a PIN once whatever restarts it, and goes on when the cause is mended. pkcs11-spy
// counts the logins.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runClavigerd, startClavigerd, type Clavigerd } from '../../support/daemon/clavigerd.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { spyOnSoftHsm, type Pkcs11Spy } from '../../support/modules/pkcs11-spy.js';
import { startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';
import { createSoftHsm, type SoftHsm, type SoftHsmToken } from '../../support/modules/softhsm.js';
import { recordSecret } from '../../support/transcript.js';

const RESTARTS = 50;
const WRONG_PIN = 'falsch-0815';

interface Fixture {
  readonly hsm: SoftHsm;
  readonly token: SoftHsmToken;
  readonly spy: Pkcs11Spy;
  readonly pinFile: string;
  readonly state: string;
  readonly start: (settings?: string) => Promise<Clavigerd>;
  readonly setPin: (pin: string) => void;
}

async function makeFixture(t: TestContext, pin: string | undefined): Promise<Fixture> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('acme');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  const spy = spyOnSoftHsm(hsm);
  const pinFile = join(hsm.folder, 'pin');
  const state = join(hsm.folder, 'state');
  const setPin = (text: string): void => {
    writeFileSync(pinFile, `${text}\n`, { mode: 0o600 });
  };
  setPin(pin ?? token.pin);
  const key = spy.uri(hsm.uri({ ...token, pinFile }, { label: 'k' }));
  const start = (settings = ''): Promise<Clavigerd> =>
    startClavigerd(t, { key, env: spy.env, stateDirectory: state, settings });
  return { hsm, token, spy, pinFile, state, start, setPin };
}

async function pinCommand(state: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runClavigerd([
    'pin',
    ...args,
    `--state-directory=${state}`,
  ]);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('a daemon whose PIN is wrong', () => {
  it(`makes one attempt in ${RESTARTS} restarts, and answers token-locked`, async (t) => {
    const { spy, start, state } = await makeFixture(t, WRONG_PIN);
    for (let restart = 0; restart < RESTARTS; restart++) {
      const daemon = await start();
      const client = await connectSigningClient(t, daemon.socket);
      assert.equal(await client.sign(), 'token-locked');
      assert.equal((await daemon.process.stop('SIGKILL')).signal, 'SIGKILL');
      assert.equal(spy.calls('C_Login'), 1, `start ${restart}`);
    }
    assert.match(await pinCommand(state, 'status'), /was refused at .*CKR_PIN_INCORRECT/);
  });

  it('goes on without a restart when the PIN is corrected', async (t) => {
    const { spy, start, setPin, token, state } = await makeFixture(t, WRONG_PIN);
    const daemon = await start();
    const client = await connectSigningClient(t, daemon.socket);
    for (let count = 0; count < 5; count++) {
      assert.equal(await client.sign(), 'token-locked');
    }
    assert.equal(spy.calls('C_Initialize'), 2, 'a login and a look at what is public');
    setPin(token.pin);
    const before = await client.signInTime();
    assert.ok(before.every((answer) => answer === 'token-locked'));
    assert.equal(spy.calls('C_Login'), 2);
    assert.match(await pinCommand(state, 'status'), /^no PIN has been refused/);
    const log = readFileSync(daemon.logfile, 'utf8');
    assert.match(log, /the PIN is wrong .*no further attempt: correct file:/);
    assert.match(log, /the PIN source has changed; trying it once/);
    assert.ok(!log.includes(token.pin) && !log.includes(WRONG_PIN));
  });

  it('makes one more attempt when told to by `clavigerd pin clear`', async (t) => {
    const { spy, start, state, token } = await makeFixture(t, WRONG_PIN);
    const daemon = await start();
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'token-locked');
    const report: unknown = JSON.parse(await pinCommand(state, 'status', '--json'));
    assert.ok(Array.isArray(report) && report.length === 1);
    const other = ['pin', 'clear', '--token=ffff', `--state-directory=${state}`];
    assert.equal((await runClavigerd(other)).code, 1);
    assert.match(
      await pinCommand(state, 'clear', `--token=${token.serial}`),
      /^cleared: token "acme" \(serial /,
    );
    for (let count = 0; spy.calls('C_Login') < 2; count++) {
      assert.ok(count < 300, 'no attempt was made');
      assert.equal(await client.sign(), 'token-locked');
      await sleep(100);
    }
    for (let count = 0; count < 30; count++) {
      assert.equal(await client.sign(), 'token-locked');
    }
    assert.equal(spy.calls('C_Login'), 2);
  });

  it('ends with an error where it serves one client on standard input', async (t) => {
    const { hsm, token, spy, pinFile, state } = await makeFixture(t, WRONG_PIN);
    const uri = spy.uri(hsm.uri({ ...token, pinFile }, { label: 'k' }));
    const env = { ...spy.env, STATE_DIRECTORY: state };
    for (const message of [/the PIN is wrong .*CKR_PIN_INCORRECT/, /no PIN is tried/]) {
      const { code, stderr } = await runClavigerd([`--privkey=${uri}`, '--stdio'], { env });
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.match(stderr, /clavigerd: hint: .*clavigerd pin clear/);
    }
    assert.equal(spy.calls('C_Login'), 1);
  });
});

describe('a PIN typed at a terminal', () => {
  it('that is wrong ends the start; the next start asks again', async (t) => {
    const { hsm, token, spy, state } = await makeFixture(t, undefined);
    const config = join(hsm.folder, 'clavigerd.toml');
    const key = spy.uri(hsm.uri(token, { label: 'k' })).replace(/&pin-source=.*/, '');
    const socket = join(hsm.folder, 'S');
    const settings = { privkey: key, socket, 'state-directory': state };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = "${value}"`);
    writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    const start = (): Promise<RunningProcess> =>
      startProcess(t, {
        command: 'script',
        args: [
          ...['--quiet', '--return', '--flush', '--command'],
          `exec '${process.execPath}' '${CLAVIGERD}' --config='${config}'`,
          '/dev/null',
        ],
        env: spy.env,
        stdin: true,
        waitFor: /PIN of token "acme"/,
      });
    const first = await start();
    first.stdin.write('0000\r');
    assert.equal((await first.waitForExit()).code, 1);
    assert.match(first.output, /clavigerd: error: token "acme": the PIN is wrong/);
    const second = await start();
    second.stdin.write(`${token.pin}\r`);
    await second.waitFor({ socket });
    const client = await connectSigningClient(t, socket);
    assert.equal(await client.sign(), 'signed');
    assert.equal(spy.calls('C_Login'), 2);
  });
});

describe('a daemon whose token is away at its start', () => {
  it('turns clients away until the token is there, then serves them', async (t) => {
    const { hsm, start } = await makeFixture(t, undefined);
    const [name] = readdirSync(join(hsm.folder, 'tokens'));
    const [place, away] = [join(hsm.folder, 'tokens', name ?? ''), join(hsm.folder, 'away')];
    renameSync(place, away);
    const daemon = await start();
    const early = await connectLineClient(daemon.socket);
    assert.equal(await early.readLine(), undefined);
    assert.match(readFileSync(daemon.logfile, 'utf8'), /not-greeted .*none matches token=/);
    renameSync(away, place);
    assert.equal(await signWhenGreeted(t, daemon.socket), 'signed');
  });

  it('does not stay up when its configuration cannot work', async (t) => {
    const { hsm, token } = await makeFixture(t, undefined);
    const socket = join(hsm.folder, 'S');
    const uri = hsm.uri(token, { label: 'other' });
    const args = [`--privkey=${uri}`, `--socket=${socket}`];
    const { code, stderr } = await runClavigerd(args, { env: hsm.env });
    assert.equal(code, 1);
    assert.match(stderr, /clavigerd: error: key: none matches/);
  });
});

/** Connects until the daemon has found its token: it looks for it every two seconds at most. */
async function signWhenGreeted(t: TestContext, socket: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const client = await connectSigningClient(t, socket);
      return await client.sign();
    } catch (error) {
      assert.ok(attempt < 100, String(error));
      await sleep(100);
    }
  }
}

describe('the PIN of a daemon', () => {
  it('in a variable: is gone from /proc/PID/environ, of the daemon and of its helper', async (t) => {
    const { hsm, token, spy } = await makeFixture(t, undefined);
    const key = hsm.uri(token, { label: 'k' }).replace(/&pin-source=.*/, '&pin-source=env:CV_PIN');
    const env = { ...spy.env, CV_PIN: token.pin, CV_OTHER: 'stays' };
    const daemon = await startClavigerd(t, { key, env });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'signed');
    const environment = readFileSync(`/proc/${daemon.process.pid}/environ`, 'utf8');
    assert.ok(!environment.includes(token.pin));
    assert.ok(!environment.includes('CV_PIN'));
    assert.match(environment, /CV_OTHER=stays/);
  });

  it('from a command, with characters that are not ASCII', async (t) => {
    const { hsm, token, state } = await makeFixture(t, undefined);
    const pin = 'clé-жук-4711';
    recordSecret(pin);
    await hsm.tool(token, '--change-pin', '--new-pin', pin);
    writeFileSync(join(hsm.folder, 'pass word'), pin, { mode: 0o600 });
    const key = hsm.uri(token, { label: 'k' }).replace(/&pin-source=.*/, '');
    const settings = `pin-source = "|cat '${hsm.folder}/pass word'"`;
    const daemon = await startClavigerd(t, { key, env: hsm.env, settings, stateDirectory: state });
    const client = await connectSigningClient(t, daemon.socket);
    assert.equal(await client.sign(), 'signed');
  });
});
