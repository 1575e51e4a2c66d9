// The whole daemon with a token behind a module that misbehaves: what its clients see of hangs,
// crashes, wrong signatures, a token that is away, and touches that take long or never come.

import assert from 'node:assert/strict';
import type { JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startClavigerd, type Clavigerd } from '../../support/daemon/clavigerd.js';
import { createFaultyToken, CKR, type FaultyToken } from '../../support/modules/fault-module.js';
import { connectLineClient, type LineClient } from '../../support/daemon/line-client.js';
import { childrenOf } from '../../support/process.js';
import { atEnd } from '../../support/scope.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';

const URL = 'https://ca.example.net/acme/new-account';
const MAX_LOOKS = 2_000;

interface Fixture extends FaultyToken {
  readonly daemon: Clavigerd;
}

async function start(t: TestContext, settings = ''): Promise<Fixture> {
  const faulty = await createFaultyToken(t);
  const daemon = await startClavigerd(t, { key: faulty.uri, env: faulty.hsm.env, settings });
  return { ...faulty, daemon };
}

interface Client {
  readonly lines: LineClient;
  readonly request: string;
  readonly isSignature: (reply: string | undefined) => boolean;
  /** Asks, and demands a signature. */
  readonly sign: () => Promise<void>;
}

async function connectClient(t: TestContext, { daemon }: Fixture): Promise<Client> {
  const lines = await connectLineClient(daemon.socket);
  atEnd(t, () => {
    lines.close();
  });
  const jwk: JsonWebKey = parseJwk((await lines.readGreeting()).jwk);
  lines.write('!errors\r\n');
  const payload = { termsOfServiceAgreed: true };
  const request = formatSigningInput({ alg: 'ES256', jwk, url: URL, payload });
  const isSignature = (reply: string | undefined): boolean =>
    reply?.startsWith('!') === false && isSignatureOf('ES256', jwk, request, reply);
  const sign = async (): Promise<void> => {
    const reply = await lines.ask(request);
    assert.ok(isSignature(reply), reply);
  };
  return { lines, request, isSignature, sign };
}

function parseJwk(text: string): JsonWebKey {
  const value: unknown = JSON.parse(text);
  assert.ok(typeof value === 'object' && value !== null);
  return { ...value };
}

async function waitFor(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await isSo()); looks += 1) {
    assert.ok(looks < MAX_LOOKS, `waited in vain: ${what}`);
    await sleep(10);
  }
}

function logOf({ daemon }: Fixture): string {
  return readFileSync(daemon.logfile, 'utf8');
}

/** A connection by itself, to be ended in ways a line client does not know. */
async function rawClient(t: TestContext, { daemon }: Fixture): Promise<Socket> {
  const socket = connect({ path: daemon.socket, allowHalfOpen: true });
  socket.on('error', () => undefined);
  atEnd(t, () => {
    socket.destroy();
  });
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}

describe('daemon with a faulty token', () => {
  it('never lets a corrupted signature out, and replaces what made it', async (t) => {
    const fixture = await start(t);
    const client = await connectClient(t, fixture);
    const [before] = childrenOf(fixture.daemon.process.pid);
    fixture.setFaults('C_Sign corrupt process');
    assert.match((await client.lines.ask(client.request)) ?? '', /^!error \{"code":"internal"/);
    await client.sign();
    assert.notEqual(childrenOf(fixture.daemon.process.pid)[0], before);
    assert.match(logOf(fixture), /code=KEY_BAD_SIGNATURE/);
    // A client without the extension gets nothing but the end.
    fixture.setFaults('C_Sign corrupt process');
    const plain = await connectLineClient(fixture.daemon.socket);
    await plain.readGreeting();
    assert.equal(await plain.ask(client.request), undefined);
  });

  it('answers `timeout` after a hang, and signs the next request', async (t) => {
    const fixture = await start(t, 'sign-timeout = 1');
    const client = await connectClient(t, fixture);
    fixture.setFaults('C_Sign hang process');
    assert.match((await client.lines.ask(client.request)) ?? '', /^!error \{"code":"timeout"/);
    await client.sign();
    assert.ok(fixture.daemon.process.isRunning);
  });

  it('answers `busy` to who has waited in vain for a place in the queue', async (t) => {
    const fixture = await start(t, 'sign-timeout = 2\nmax-queued-requests = 1');
    const clients: Client[] = [];
    for (let count = 0; count < 3; count += 1) {
      clients.push(await connectClient(t, fixture));
    }
    // the helper is there now, and each signature takes what the next line says
    await clients[0]?.sign();
    fixture.setFaults('C_Sign sleep=1400');
    const replies = await Promise.all(clients.map(({ lines, request }) => lines.ask(request)));
    const [first, second, third] = replies;
    assert.ok(clients[0]?.isSignature(first), first);
    assert.ok(clients[1]?.isSignature(second), second);
    assert.match(third ?? '', /^!error \{"code":"busy"/);
    assert.match(logOf(fixture), /failed conn=\d+ .*code=SIGNER_BUSY/);
    fixture.setFaults();
    await clients[2]?.sign();
  });

  it('does not let a client see a crash of its helper', async (t) => {
    const fixture = await start(t);
    const client = await connectClient(t, fixture);
    fixture.setFaults('C_Sign crash process');
    await client.sign();
    assert.match(logOf(fixture), /SIGSEGV/);
  });

  it('answers `token-absent` while the token is away, and picks it up when it returns', async (t) => {
    const fixture = await start(t);
    const client = await connectClient(t, fixture);
    fixture.setFaults(
      'C_GetSlotList empty',
      `C_SignInit rv=${CKR.CKR_DEVICE_REMOVED} until=C_OpenSession`,
    );
    for (let count = 0; count < 10; count += 1) {
      const reply = (await client.lines.ask(client.request)) ?? '';
      assert.match(reply, /^!error \{"code":"token-absent"/);
    }
    fixture.setFaults();
    await waitFor('the token is back', async () => {
      await sleep(200); // 64 refusals end a connection
      return client.isSignature(await client.lines.ask(client.request));
    });
    assert.match(logOf(fixture), /token: in service again/);
  });
});

describe('a touch', () => {
  it('that takes long is told of in the log, and to clients that asked for errors', async (t) => {
    const fixture = await start(t, 'touch-notice = 1');
    const client = await connectClient(t, fixture);
    const plain = await connectLineClient(fixture.daemon.socket);
    await plain.readGreeting();
    fixture.setFaults('C_Sign sleep=1500');
    client.lines.write(`${client.request}\r\n`);
    plain.write(`${client.request}\r\n`);
    assert.match((await client.lines.readLine()) ?? '', /^!notice \{"code":"waiting","detail":"/);
    assert.ok(client.isSignature(await client.lines.readLine()));
    assert.ok(client.isSignature(await plain.readLine()), 'a signature and no notice');
    plain.close();
    assert.match(logOf(fixture), /does the token wait for a touch/);
  });

  it('that never comes releases the queue once its client has left', async (t) => {
    const fixture = await start(t, 'touch-notice = 1');
    const client = await connectClient(t, fixture);
    const leaving = await rawClient(t, fixture);
    fixture.setFaults('C_Sign hang process');
    leaving.write(`${client.request}\r\n`);
    await waitFor('the helper hangs', () => fixture.calls('C_Sign').length === 1);
    leaving.destroy();
    // Without the release this would wait for the 30 s of sign-timeout, and get them as an answer.
    await client.sign();
    assert.match(logOf(fixture), /killed, the client it waits for is gone/);
  });

  it('is waited for on behalf of a client that ended its side only', async (t) => {
    const fixture = await start(t, 'touch-notice = 1');
    const client = await connectClient(t, fixture);
    const half = await rawClient(t, fixture);
    fixture.setFaults('C_Sign sleep=2500');
    half.end(`${client.request}\r\n`);
    const [reply] = await new Promise<string[]>((resolve) => {
      half.once('data', (bytes: Buffer) => {
        resolve(bytes.toString('latin1').split('\r\n'));
      });
    });
    assert.ok(client.isSignature(reply), reply);
  });
});
