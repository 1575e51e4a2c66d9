import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { SignerConnection } from '../../../../src/client/signer/signer-connection.js';
import { jwkOfKey, jwkThumbprint } from '../../../../src/jose/public-jwk.js';
import { signWithKey } from '../../../../src/jose/signature.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeKey } from '../../../support/keys/keys.js';
import { ManualTimers } from '../../../support/manual-timers.js';

const KEY = makeKey('ES256');
const JWK = jwkOfKey(KEY.publicKey);
const THUMBPRINT = jwkThumbprint(JWK);
const FULL = `1 OK {"extensions":["errors","ping"]}\r\n${JSON.stringify(JWK)}\r\n`;

async function signatureOf(input: string): Promise<string> {
  return (await signWithKey('ES256', KEY.privateKey, Buffer.from(input))).toString('base64url');
}

interface Bed {
  readonly connection: SignerConnection;
  readonly timers: ManualTimers;
  readonly reports: readonly string[];
  readonly controller: AbortController;
  /** What the client has written so far. */
  readonly written: () => string;
  /** Sends text as the signer, and waits until it was read. */
  readonly reply: (text: string) => Promise<void>;
  readonly end: () => void;
  readonly breakPipe: (error: Error) => void;
  readonly isClosed: () => boolean;
}

function bed(kind: 'socket' | 'command' = 'socket', reason?: string): Bed {
  const readable = new PassThrough();
  const writable = new PassThrough();
  let isClosed = false;
  const transport = {
    readable,
    writable,
    explainEnd: () => Promise.resolve(reason),
    close: () => {
      isClosed = true;
      return Promise.resolve();
    },
  };
  const controller = new AbortController();
  const timers = new ManualTimers();
  const reports: string[] = [];
  const config =
    kind === 'socket'
      ? ({ kind, path: '/s' } as const)
      : ({ kind, words: ['ssh', 'host'] } as const);
  const options = {
    config,
    signal: controller.signal,
    report: (line: string) => {
      reports.push(line);
    },
  };
  let written = '';
  writable.on('data', (chunk: Buffer) => {
    written += chunk.toString();
  });
  return {
    connection: new SignerConnection(transport, options, timers),
    timers,
    reports,
    controller,
    written: () => written,
    reply: async (text) => {
      readable.write(text);
      await timers.advance(0);
    },
    end: () => {
      readable.end();
    },
    breakPipe: (error) => {
      writable.emit('error', error);
    },
    isClosed: () => isClosed,
  };
}

async function greeted(kind?: 'socket' | 'command', reason?: string): Promise<Bed> {
  const opened = bed(kind, reason);
  const greeting = opened.connection.greet(30_000);
  await opened.reply(FULL);
  await greeting;
  return opened;
}

describe('the greeting of a signer', () => {
  it('gives the facts of the key, and is answered', async () => {
    const { connection, written, timers } = await greeted();
    await timers.advance(0);
    assert.deepEqual(
      [connection.algorithm, connection.thumbprint, connection.jwk, connection.keyId],
      ['ES256', THUMBPRINT, JWK, undefined],
    );
    assert.equal(written(), '!errors\r\n');
  });

  it('has to come before anything is known', async () => {
    const { connection } = bed();
    await appErrorOf(() => connection.algorithm, 'PROTO_GREETING');
  });

  for (const [kind, hint] of [
    ['socket', 'does it serve another client?'],
    ['command', 'run the command of --signer-command by hand: a signer says "1 OK" at once'],
  ] as const) {
    it(`has to come in time from a ${kind}`, async () => {
      const { connection, timers } = bed(kind);
      const greeting = connection.greet(30_000);
      const failure = appErrorOf(() => greeting, 'CLIENT_SIGNER');
      await timers.advance(29_999);
      assert.equal(connection.isUsable, true);
      await timers.advance(1);
      const error = await failure;
      assert.deepEqual([error.message, error.hint], ['signer: no greeting within 30 s', hint]);
      assert.equal(connection.isUsable, false);
    });
  }

  it('that is none ends the connection', async () => {
    const { connection, reply } = bed();
    const failure = appErrorOf(() => connection.greet(30_000), 'PROTO_GREETING');
    await reply('Welcome to this host\r\n');
    await failure;
    assert.equal(connection.isUsable, false);
    await reply(FULL);
    await appErrorOf(() => connection.algorithm, 'PROTO_GREETING');
  });
});

describe('a signature request', () => {
  it('gives the signature where it verifies', async () => {
    const { connection, reply, written, timers } = await greeted();
    const signature = connection.sign('head', 'payload');
    await timers.advance(0);
    assert.ok(written().endsWith('head.payload\r\n'));
    const right = await signatureOf('head.payload');
    await reply(`${right}\r\n`);
    assert.equal(await signature, right);
  });

  it('fails where the signature is of something else, and the next goes on', async () => {
    const { connection, reply } = await greeted();
    const first = appErrorOf(() => connection.sign('head', 'payload'), 'PROTO_REPLY');
    const second = connection.sign('head', 'other');
    await reply(`${await signatureOf('head.other')}\r\n`);
    assert.match((await first).message, /does not verify with its public key/);
    await reply(`${await signatureOf('head.other')}\r\n`);
    assert.equal(typeof (await second), 'string');
  });

  it('takes any signature of a signer that does not give its key', async () => {
    const { connection, reply } = bed();
    const greeting = connection.greet(30_000);
    const facts = { alg: 'ES256', kid: 'https://ca.example/1', 'jwk-thumbprint': THUMBPRINT };
    await reply(`1 OK ${JSON.stringify(facts)}\r\n{}\r\n`);
    await greeting;
    assert.equal(connection.keyId, 'https://ca.example/1');
    const signature = connection.sign('a', '');
    const other = await signatureOf('b.');
    await reply(`${other}\r\n`);
    assert.equal(await signature, other);
  });

  it('is refused alone, and the next goes on', async () => {
    const { connection, reply } = await greeted();
    const first = appErrorOf(() => connection.sign('a', ''), 'PROTO_REFUSED');
    const second = connection.sign('b', '');
    await reply('!error {"code":"denied","detail":"no"}\r\n');
    await first;
    const right = await signatureOf('b.');
    await reply(`${right}\r\n`);
    assert.equal(await second, right);
  });

  it('has 120 s, and says after 3 s what is waited for', async () => {
    const { connection, timers, reports } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'CLIENT_SIGNER');
    await timers.advance(2_999);
    assert.deepEqual(reports, []);
    await timers.advance(1);
    assert.deepEqual(reports, ['waiting for the signer; its token may want a touch or a PIN']);
    await timers.advance(116_999);
    assert.equal(connection.isUsable, true);
    await timers.advance(1);
    assert.equal((await failure).message, 'signer: no signature within 120 s');
    const later = await appErrorOf(() => connection.sign('b', ''), 'CLIENT_SIGNER');
    assert.equal(later, await failure);
    assert.equal(timers.running, 0);
  });

  it("shows the signer's own notice in place of ours", async () => {
    const { connection, timers, reports, reply } = await greeted();
    const signature = connection.sign('a', '');
    await reply('!notice {"detail":"touch the token"}\r\n');
    await timers.advance(10_000);
    assert.deepEqual(reports, ['signer: touch the token']);
    await reply(`${await signatureOf('a.')}\r\n`);
    await signature;
  });

  it('starts the time anew with each reply', async () => {
    const { connection, timers, reply } = await greeted();
    const first = connection.sign('a', '');
    const second = connection.sign('b', '');
    await timers.advance(119_000);
    await reply(`${await signatureOf('a.')}\r\n`);
    await first;
    await timers.advance(119_000);
    await reply(`${await signatureOf('b.')}\r\n`);
    await second;
    assert.equal(connection.isUsable, true);
  });
});

describe('a connection without requests', () => {
  it('is kept open by a ping a minute', async () => {
    const { timers, written, reply, connection } = await greeted();
    await timers.advance(59_999);
    assert.equal(written().includes('!ping'), false);
    await timers.advance(1);
    assert.equal(written().endsWith('!ping\r\n'), true);
    await reply('!pong\r\n');
    assert.equal(connection.isUsable, true);
    await timers.advance(60_000);
    assert.equal(written().endsWith('!ping\r\n!ping\r\n'), true);
  });

  it('fails when the ping has no reply, and the next request has the error', async () => {
    const { timers, connection } = await greeted();
    await timers.advance(60_000 + 120_000);
    assert.equal(connection.isUsable, false);
    await appErrorOf(() => connection.sign('a', ''), 'CLIENT_SIGNER');
  });
});

describe('the end of a connection', () => {
  it('fails all requests, with the reason of the transport', async () => {
    const { connection, end, timers } = await greeted('command', 'ssh exited with status 255');
    const failures = [connection.sign('a', ''), connection.sign('b', '')].map((signature) =>
      appErrorOf(() => signature, 'PROTO_CLOSED'),
    );
    end();
    await timers.advance(0);
    const [first, second] = await Promise.all(failures);
    assert.match(first?.message ?? '', /^signer: .*: ssh exited with status 255$/);
    assert.equal(first, second);
  });

  it('without a reason is explained by the protocol', async () => {
    const { connection, end } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'PROTO_CLOSED');
    end();
    assert.equal((await failure).message, 'signer: closed the connection');
  });

  it('by a broken pipe fails with the error', async () => {
    const { connection, breakPipe } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'PROTO_CLOSED');
    breakPipe(new Error('write EPIPE'));
    assert.equal((await failure).message, 'signer: write EPIPE');
  });

  it("by the signal fails with the signal's reason", async () => {
    const { connection, controller } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'CLIENT_INTERRUPTED');
    controller.abort(new AppError('CLIENT_INTERRUPTED', 'interrupted'));
    await failure;
    const other = await greeted();
    const odd = appErrorOf(() => other.connection.sign('a', ''), 'CLIENT_SIGNER');
    other.controller.abort('enough');
    assert.equal((await odd).message, 'enough');
  });

  it('by the client closes the transport, twice too', async () => {
    const { connection, isClosed, timers } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'PROTO_CLOSED');
    await connection.close();
    await connection.close();
    assert.deepEqual([isClosed(), connection.isUsable, timers.running], [true, false, 0]);
    assert.equal((await failure).message, 'signer: the connection is closed');
  });

  it('by a line that is no reply fails all requests', async () => {
    const { connection, reply } = await greeted();
    const failure = appErrorOf(() => connection.sign('a', ''), 'PROTO_REPLY');
    await reply('not a signature!\r\n');
    await failure;
    assert.equal(connection.isUsable, false);
  });
});
