// Many clients of one live daemon, good and bad ones, and what each of them gets.

import assert from 'node:assert/strict';
import { readFile, rename, stat, unlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import { connectLineClient, type LineClient } from '../../support/daemon/line-client.js';
import { childrenOf, startProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { suiteScope } from '../../support/scope.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';

const CLIENTS = 64;
const REQUESTS_EACH = 5;
const key = makeKey('ES256');
const jwk = { ...jwkOfKey(key.publicKey) };

function request(at: number): string {
  return formatSigningInput({
    alg: 'ES256',
    kid: 'https://ca.example/acct/1',
    url: `https://ca.example/order/${at}`,
    nonce: Buffer.from(`nonce ${at}`).toString('base64url'),
  });
}

async function signOnce(client: LineClient, at: number): Promise<void> {
  const input = request(at);
  const signature = await client.ask(input);
  assert.ok(signature !== undefined && isSignatureOf('ES256', jwk, input, signature));
}

function openSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

// The first connection of each daemon is the one by which its start was noticed.

describe('64 clients at once', () => {
  it('are all served, though one is idle, one sends half a line and one vanishes', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const idle = await connectLineClient(daemon.socket);
    const half = await connectLineClient(daemon.socket);
    half.write('eyJ');
    const vanishing = await openSocket(daemon.socket);
    vanishing.write(`${request(0)}\r\n`);
    vanishing.destroy(); // P16: gone before the reply
    const clients = await Promise.all(
      Array.from({ length: CLIENTS - 3 }, () => connectLineClient(daemon.socket)),
    );
    await Promise.all(
      clients.map(async (client, at) => {
        const { greeting } = await client.readGreeting();
        assert.match(greeting, /^1 OK \{"alg":"ES256"/);
        for (let n = 0; n < REQUESTS_EACH; n += 1) {
          await signOnce(client, at * REQUESTS_EACH + n);
        }
      }),
    );
    await idle.readGreeting();
    await signOnce(idle, 9999); // P14: it was never in anybody's way, and is served too
    for (const client of [idle, half, ...clients]) {
      client.close();
    }
    const log = await readFile(daemon.logfile, 'utf8');
    assert.ok(log.split('\n').filter((line) => line.includes(' signed ')).length >= 306);
  });
});

describe('limits', () => {
  const scope = suiteScope();

  it('close a connection that keeps half a line, and only that one', async (t) => {
    const daemon = await startClavigerd(t, { key, settings: 'line-timeout = 1' });
    const slow = await connectLineClient(daemon.socket);
    const good = await connectLineClient(daemon.socket);
    await slow.readGreeting();
    await good.readGreeting();
    slow.write('eyJ');
    assert.equal(await slow.readLine(), undefined);
    await signOnce(good, 1);
  });

  it('do not take a steady stream of requests for half a line', async (t) => {
    const daemon = await startClavigerd(t, { key, settings: 'line-timeout = 1' });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    for (let at = 0; at < 12; at += 1) {
      // Each write ends in the middle of the next line.
      const next = request(at);
      client.write(at === 0 ? next : `\r\n${next}`);
      await sleep(150);
    }
    client.write('\r\n');
    for (let at = 0; at < 12; at += 1) {
      const signature = await client.readLine();
      assert.ok(signature !== undefined && isSignatureOf('ES256', jwk, request(at), signature));
    }
  });

  it('close an idle connection', async (t) => {
    const daemon = await startClavigerd(t, { key, settings: 'idle-timeout = 1' });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    assert.equal(await client.readLine(), undefined);
    assert.match(
      await readFile(daemon.logfile, 'utf8'),
      /closed conn=2 reason="idle for too long"/,
    );
  });

  it('refuse a connection over the cap and serve again when one left', async (t) => {
    const daemon = await startClavigerd(t, { key, settings: 'max-connections = 2' });
    const first = await connectLineClient(daemon.socket);
    const second = await connectLineClient(daemon.socket);
    await first.readGreeting();
    await second.readGreeting();
    const third = await connectLineClient(daemon.socket);
    assert.equal(await third.readLine(), undefined);
    first.close();
    await sleep(100);
    const fourth = await connectLineClient(daemon.socket);
    await fourth.readGreeting();
    await signOnce(fourth, 1);
  });

  it('leave requests unread while as many wait for the key as may', async (t) => {
    const daemon = await startClavigerd(t, { key, settings: 'max-queued-requests = 1' });
    const clients = await Promise.all([1, 2, 3].map(() => connectLineClient(daemon.socket)));
    await Promise.all(
      clients.map(async (client, at) => {
        await client.readGreeting();
        const lines = Array.from({ length: 50 }, (_, n) => request(100 * at + n));
        client.write(`!errors\r\n${lines.map((line) => `${line}\r\n`).join('')}`);
        for (const line of lines) {
          const signature = await client.readLine();
          assert.ok(signature !== undefined && isSignatureOf('ES256', jwk, line, signature));
        }
      }),
    );
  });

  it('close a connection whose line is too long', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    client.write('x'.repeat(33 * 1024));
    assert.equal(await client.readLine(), undefined);
  });

  it('close a connection that sends nonsense by the dozen, before it holds up others', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const noisy = await connectLineClient(daemon.socket);
    const good = await connectLineClient(daemon.socket);
    await noisy.readGreeting();
    await good.readGreeting();
    noisy.write(`!errors\r\n${'\r\n'.repeat(30_000)}`);
    let refusals = 0;
    for (let line = await noisy.readLine(); line !== undefined; line = await noisy.readLine()) {
      assert.match(line, /^!error \{"code":"malformed"/);
      refusals += 1;
    }
    assert.equal(refusals, 64);
    await signOnce(good, 1);
    const log = await readFile(daemon.logfile, 'utf8');
    assert.match(log, /closed conn=\d+ reason="too many refused requests"/);
  });

  it('close a connection that asks for what is denied by the dozen, and record that short', async (t) => {
    const names = Array.from({ length: 100 }, (_, at) => `n${at}.${'x'.repeat(60)}.example`);
    const settings =
      'default-policy = "web"\n[policy.web]\noperations = ["new-order"]\nidentifiers = ["*.org"]';
    const daemon = await startClavigerd(t, { key, settings });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    const request = formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/a/2',
      url: `https://ca.example/${'o'.repeat(5000)}`,
      payload: { identifiers: names.map((value) => ({ type: 'dns', value })) },
    });
    client.write(`!errors\r\n${`${request}\r\n`.repeat(100)}`);
    let refusals = 0;
    for (let line = await client.readLine(); line !== undefined; line = await client.readLine()) {
      assert.match(line, /^!error \{"code":"denied"/);
      refusals += 1;
    }
    assert.ok(refusals >= 64 && refusals < 100, `${refusals} refusals`);
    const log = await readFile(daemon.logfile, 'utf8');
    assert.match(log, /closed conn=\d+ reason="too many refused requests"/);
    const [record = ''] = log.split('\n').filter((line) => line.includes(' refused '));
    assert.match(record, /dns:n49\.x+\.example,\.\.\.50 more/);
    assert.ok(record.length < 6000, `${record.length} characters of ${request.length}`);
  });

  it('count the time of half a line only while the daemon reads', async (t) => {
    const hsm = await createSoftHsm(t);
    const token = await hsm.addToken('slow');
    await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
    const uri = hsm.uri(token, { label: 'k' });
    const daemon = await startClavigerd(t, {
      key: uri,
      settings: 'line-timeout = 1',
      env: hsm.env,
    });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    const [helper] = childrenOf(daemon.process.pid);
    assert.ok(helper !== undefined);
    process.kill(helper, 'SIGSTOP');
    const all = Array.from({ length: 400 }, (_, at) => request(at));
    client.write(all.map((line) => `${line}\r\n`).join(''));
    await sleep(1500);
    process.kill(helper, 'SIGCONT');
    for (const line of all) {
      assert.ok((await client.readLine()) !== undefined, line);
    }
  });

  it('hold back a client that asks faster than it is answered, and lose nothing', async () => {
    const daemon = await startClavigerd(scope, { key });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    const all = Array.from({ length: 500 }, (_, at) => request(at));
    client.write(all.map((line) => `${line}\r\n`).join(''));
    for (const line of all) {
      const signature = await client.readLine();
      assert.ok(signature !== undefined && isSignatureOf('ES256', jwk, line, signature));
    }
  });
});

describe('core files', () => {
  it('of the daemon and its helper hold no memory', async (t) => {
    const hsm = await createSoftHsm(t);
    const token = await hsm.addToken('core');
    await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
    const daemon = await startClavigerd(t, { key: hsm.uri(token, { label: 'k' }), env: hsm.env });
    const pids = [daemon.process.pid, ...childrenOf(daemon.process.pid)];
    assert.ok(pids.length > 1, 'a helper runs');
    for (const pid of pids) {
      assert.equal(Number(await readFile(`/proc/${pid}/coredump_filter`, 'utf8')), 0);
    }
  });
});

describe('the end of the daemon', () => {
  for (const [signal, code] of [
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const) {
    it(`by ${signal}: answers what is in hand, removes the socket, exits ${code}`, async (t) => {
      const daemon = await startClavigerd(t, { key });
      const client = await connectLineClient(daemon.socket);
      const idle = await connectLineClient(daemon.socket);
      await client.readGreeting();
      await idle.readGreeting();
      const lines = [request(1), request(2), request(3)];
      client.write(lines.map((line) => `${line}\r\n`).join(''));
      const first = await client.readLine();
      daemon.process.signal(signal);
      assert.ok(first !== undefined && isSignatureOf('ES256', jwk, lines[0] ?? '', first));
      for (const line of lines.slice(1)) {
        const signature = await client.readLine();
        assert.ok(signature !== undefined && isSignatureOf('ES256', jwk, line, signature));
      }
      assert.equal(await client.readLine(), undefined);
      assert.equal(await idle.readLine(), undefined);
      assert.deepEqual(await daemon.process.waitForExit(), { code, signal: null });
      await assert.rejects(stat(daemon.socket), { code: 'ENOENT' });
    });
  }

  it('does not take away the socket of another daemon that came to its place', async (t) => {
    const first = await startClavigerd(t, { key });
    await unlink(first.socket);
    const second = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--privkey=file:${first.folder}/account.pem`, `--socket=${first.socket}`],
      waitFor: { socket: first.socket },
    });
    first.process.signal('SIGTERM');
    assert.deepEqual(await first.process.waitForExit(), { code: 0, signal: null });
    const client = await connectLineClient(first.socket);
    await client.readGreeting();
    await signOnce(client, 1);
    assert.ok(second.isRunning);
  });

  it('does not come from SIGUSR1, which would open the debugger of Node', async (t) => {
    const daemon = await startClavigerd(t, { key });
    daemon.process.signal('SIGUSR1');
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    await signOnce(client, 1);
    assert.doesNotMatch(daemon.process.stderr, /[Dd]ebugger/);
  });
});

describe('the log', () => {
  it('tells each signature and refusal with operation, url and reason, also when quiet', async (t) => {
    const daemon = await startClavigerd(t, {
      key,
      settings: 'keyid = "https://ca.example/acct/1"',
      args: ['--quiet'],
    });
    const client = await connectLineClient(daemon.socket);
    const { greeting, jwk: told } = await client.readGreeting();
    assert.match(greeting, /"kid":"https:\/\/ca.example\/acct\/1"/);
    assert.equal(told, '{}');
    const order = { identifiers: [{ type: 'dns', value: 'a.example\n<6>forged' }] };
    const kid = 'https://ca.example/acct/1';
    const ask = (payload: Record<string, unknown>): Promise<string | undefined> =>
      client.ask(formatSigningInput({ alg: 'ES256', kid, url: 'https://ca.example/o', payload }));
    await ask(order);
    await ask({ status: 'deactivated' });
    const file = await readFile(daemon.logfile, 'utf8');
    for (const text of [file, daemon.process.stderr]) {
      assert.match(
        text,
        /signed conn=2 op=new-order url=https:\/\/ca\.example\/o names=dns:a\.example%0A%3C6%3Eforged duration-ms=[\d.]+ sha256=[0-9a-f]{64}\n/,
      );
      assert.match(
        text,
        /refused conn=2 op=deactivate-authorization url=https:\/\/ca\.example\/o code=denied rule=key-id-only reason="deactivate-authorization is not allowed in key-ID-only mode"\n/,
      );
    }
    assert.match(file, /info connected conn=2\n/);
    assert.doesNotMatch(daemon.process.stderr, /connected/);
    assert.equal((await stat(daemon.logfile)).mode & 0o777, 0o600);
  });

  it('tells every name of an order, and one name from two', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    const identifiers = Array.from({ length: 60 }, (_, at) => ({
      type: 'dns',
      value: `host-${at}.${'x'.repeat(50)}.example`,
    }));
    identifiers.push({ type: 'dns', value: 'a.example,b.example' }, { type: 'ip', value: '::1' });
    const kid = 'https://ca.example/acct/1';
    const url = `https://ca.example/${'y'.repeat(3000)}`;
    await client.ask(formatSigningInput({ alg: 'ES256', kid, url, payload: { identifiers } }));
    const log = await readFile(daemon.logfile, 'utf8');
    const names = / names="?(\S*?)"? duration-ms/.exec(log)?.[1]?.split(',') ?? [];
    assert.equal(names.length, 62);
    assert.deepEqual(names.slice(-3), [
      `dns:host-59.${'x'.repeat(50)}.example`,
      'dns:a.example%2Cb.example',
      'ip:::1',
    ]);
    assert.ok(log.includes(` url=${url} `));
  });

  it('tells where a refused request was to go, if it can be read', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    const header = { alg: 'ES256', url: 'https://ca.example/o', nonce: 'AAAA', typ: 'x' };
    await client.ask(`${Buffer.from(JSON.stringify(header)).toString('base64url')}.`);
    assert.match(
      await readFile(daemon.logfile, 'utf8'),
      /refused conn=2 url=https:\/\/ca\.example\/o code=malformed reason="protected header: unexpected member"/,
    );
  });

  it('is opened anew by SIGHUP', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    await signOnce(client, 1);
    await rename(daemon.logfile, `${daemon.logfile}.1`);
    daemon.process.signal('SIGHUP');
    for (let tries = 0; tries < 100; tries += 1) {
      const there = await stat(daemon.logfile).catch(() => undefined);
      if (there !== undefined) {
        break;
      }
      await sleep(20);
    }
    await signOnce(client, 2);
    assert.match(await readFile(daemon.logfile, 'utf8'), /order\/2/);
    assert.match(await readFile(`${daemon.logfile}.1`, 'utf8'), /order\/1/);
  });

  it('that takes no more stops signing: no signature leaves without its record', async (t) => {
    const daemon = await startClavigerd(t, { key, logfile: '/dev/full' });
    const client = await connectLineClient(daemon.socket);
    await client.readGreeting();
    client.write('!errors\r\n');
    assert.match((await client.ask(request(1))) ?? '', /^!error \{"code":"internal"/);
    assert.match(daemon.process.stderr, /log-file-failed reason=".*ENOSPC/);
    assert.match(daemon.process.stderr, /failed conn=2 op=read .* code=SYS_FILE reason=".*ENOSPC/);
    assert.equal(await client.ask('!ping'), '!pong');
  });
});
