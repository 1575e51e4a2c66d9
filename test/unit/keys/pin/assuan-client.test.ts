// The Assuan dialogue, byte by byte: a server that the test plays on two pipes.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { AssuanClient } from '../../../../src/keys/pin/assuan-client.js';

class Server extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();

  /** Everything sent to it so far. */
  get received(): string {
    const bytes: unknown = this.stdin.read();
    return bytes instanceof Buffer ? bytes.toString() : '';
  }
}

function start(): { client: AssuanClient; server: Server } {
  const server = new Server();
  return { client: new AssuanClient(server), server };
}

async function secretOf(data: string | Buffer): Promise<string> {
  const { client, server } = start();
  const secret = client.askSecret('GETPIN');
  server.stdout.write(data);
  server.stdout.write('\nOK\n');
  return (await secret).use((bytes) => bytes.toString('latin1'));
}

describe('a dialogue', () => {
  it('begins with a greeting; each command waits for its response', async () => {
    const { client, server } = start();
    server.stdout.write('OK Pleased to meet you\n');
    await client.greeting();
    const asked = client.ask('SETDESC', 'a 100% b\r\nc');
    assert.equal(server.received, 'SETDESC a 100%25 b%0D%0Ac\n');
    server.stdout.write('# comment\nS STATUS\nO');
    server.stdout.write('K\n');
    await asked;
  });

  it('has a secret in data lines, percent-decoded, and wipes what it came in', async () => {
    assert.equal(await secretOf('D 47%2511\nD %0a%0Dx%zz%4\nD %'), '47%11\n\rx%zz%4%');
    assert.equal(await secretOf('D '), '');
    const { client, server } = start();
    const secret = client.askSecret('GETPIN');
    assert.equal(server.received, 'GETPIN\n');
    const chunk = Buffer.from('D 4711\nOK\n');
    server.stdout.write(chunk);
    assert.equal((await secret).length, 4);
    assert.ok(chunk.every((byte) => byte === 0));
  });

  it('does not give data of one response to the next', async () => {
    const { client, server } = start();
    const first = client.askSecret('GETPIN');
    server.stdout.write('D 1234\nOK\n');
    await first;
    const second = client.askSecret('GETPIN');
    server.stdout.write('D 5\nOK\n');
    assert.equal(
      (await second).use((bytes) => bytes.toString()),
      '5',
    );
  });

  it('ends with the text of an error, escaped and bounded', async () => {
    for (const [response, message] of [
      ['ERR 83886179 Operation cancelled <Pinentry>', 'Operation cancelled <Pinentry>'],
      ['ERR 1 \u001b[2J', '\\u001b[2J'],
      ['ERR 1', 'refused'],
      ['OKAY', 'OKAY'],
      [`ERR 1 ${'x'.repeat(300)}`, `${'x'.repeat(200)}…`],
    ] as const) {
      const { client, server } = start();
      server.stdout.write(`${response}\n`);
      await assert.rejects(client.greeting(), { message });
    }
  });

  it('ends when a line or the secret is too long', async () => {
    assert.equal((await secretOf(`D ${'x'.repeat(1000)}`)).length, 1000);
    await assert.rejects(secretOf(`D ${'x'.repeat(1001)}`), {
      message: 'sent a line that is too long',
    });
    const line = `D ${'x'.repeat(1000)}`;
    assert.equal((await secretOf(`${line}\n${line}\nD ${'x'.repeat(48)}`)).length, 2048);
    await assert.rejects(secretOf(`${line}\n${line}\nD ${'x'.repeat(49)}`), {
      message: 'the answer is too long',
    });
  });

  it('ends with the server, however that ends, and stays ended', async () => {
    for (const [event, args, message] of [
      ['error', [new Error('ENOENT')], 'cannot be started: ENOENT'],
      ['close', [3, null], 'ended with exit status 3'],
      ['close', [null, 'SIGKILL'], 'ended with SIGKILL'],
      ['close', [null, null], 'ended with exit status unknown'],
    ] as const) {
      const { client, server } = start();
      const greeting = client.greeting();
      server.emit(event, ...args);
      await assert.rejects(greeting, { message });
      client.fail(new Error('another'));
      await assert.rejects(client.ask('BYE', ''), { message });
    }
  });

  it('takes a response that came before the end', async () => {
    const { client, server } = start();
    server.stdout.write('OK\n');
    await new Promise((resolve) => setImmediate(resolve));
    server.emit('close', 0, null);
    await client.greeting();
  });

  it('outlives a pipe that broke', async () => {
    const { client, server } = start();
    server.stdin.emit('error', new Error('EPIPE'));
    server.stdout.write('OK\n');
    await client.greeting();
  });
});
