import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { openHttp01Server } from '../../../../src/client/answer/http01-server.js';
import { freePort } from '../../../support/free-port.js';
import { atEnd, type Scope } from '../../../support/scope.js';

const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const PATH = `/.well-known/acme-challenge/${TOKEN}`;

async function openServer(scope: Scope): Promise<number> {
  const port = await freePort();
  const server = await openHttp01Server({ host: '127.0.0.1', port });
  atEnd(scope, () => server.close());
  await server.publish(TOKEN, `${TOKEN}.thumb`);
  return port;
}

/** Sends bytes as they are; gives all that comes back until the server closes. */
function exchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let received = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      received += part;
    });
    socket.once('close', () => {
      resolve(received);
    });
    socket.once('error', reject);
    socket.write(text);
  });
}

function request(port: number, method: string, path: string): Promise<string> {
  return exchange(port, `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
}

describe('openHttp01Server', () => {
  it('answers with the bytes of the key authorization', async (t) => {
    const answer = await request(await openServer(t), 'GET', PATH);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /\r\nContent-Type: application\/octet-stream\r\n/i);
    assert.match(answer, /\r\nConnection: close\r\n/i);
    assert.ok(answer.endsWith(`\r\n\r\n${TOKEN}.thumb`));
  });

  it('answers HEAD without a body, and HTTP/1.0', async (t) => {
    const port = await openServer(t);
    const head = await request(port, 'HEAD', PATH);
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, new RegExp(`content-length: ${TOKEN.length + 6}\r\n`, 'i'));
    assert.ok(head.endsWith('\r\n\r\n'));
    assert.match(await exchange(port, `GET ${PATH} HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  });

  it('answers 404 for anything but the very path', async (t) => {
    const port = await openServer(t);
    for (const path of [
      '/',
      '/.well-known/acme-challenge/',
      `${PATH}x`,
      `${PATH}/`,
      `${PATH}?x`,
      `/x/..${PATH}`,
      `/${PATH}`,
      PATH.replace('.well', '%2ewell'),
      PATH.toUpperCase(),
      '/.well-known/acme-challenge/../../../etc/passwd',
      '/__proto__',
      'http://a.test' + PATH,
    ]) {
      assert.match(await request(port, 'GET', path), /^HTTP\/1\.1 404 /, path);
    }
  });

  it('answers 405 for other methods', async (t) => {
    const port = await openServer(t);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await exchange(
        port,
        `${method} ${PATH} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 405 /, method);
      assert.match(answer, /\r\nAllow: GET, HEAD\r\n/i);
    }
  });

  it('closes on noise and on headers without end', async (t) => {
    const port = await openServer(t);
    for (const text of ['\0\0\0\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET\r\n\r\n']) {
      assert.doesNotMatch(await exchange(port, text), / 200 /);
    }
    const long = `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    assert.doesNotMatch(await exchange(port, long), / 200 /);
    assert.match(await request(port, 'GET', PATH), / 200 /);
  });

  it('serves others while one client says nothing', async (t) => {
    const port = await openServer(t);
    const idle = connect({ host: '127.0.0.1', port });
    t.after(() => idle.destroy());
    await new Promise((resolve) => idle.once('connect', resolve));
    idle.write('GET /');
    assert.match(await request(port, 'GET', PATH), / 200 /);
  });

  it('serves an authority while many connections say nothing, and ends the oldest of those', async (t) => {
    const port = await openServer(t);
    const closed: number[] = [];
    for (let count = 0; count < 300; count += 1) {
      const slow = connect({ host: '127.0.0.1', port });
      t.after(() => slow.destroy());
      slow.on('error', () => undefined);
      slow.once('close', () => closed.push(count));
      await new Promise((resolve) => slow.once('connect', resolve));
      slow.write('GET /.well-known');
    }
    assert.match(await request(port, 'GET', PATH), / 200 /);
    assert.match(await request(port, 'GET', PATH), / 200 /);
    const expected = Array.from({ length: 300 + 1 - 256 }, (_, at) => at);
    assert.deepEqual(closed.slice(0, expected.length), expected);
    assert.ok(!closed.includes(299), 'the newest stay');
  });

  it('says what to do when the address is taken or not ours', async (t) => {
    const port = await openServer(t);
    await assert.rejects(openHttp01Server({ host: '127.0.0.1', port }), {
      code: 'CLIENT_CHALLENGE',
      hint: /--webroot/,
    });
    await assert.rejects(openHttp01Server({ host: '192.0.2.1', port }), {
      code: 'CLIENT_CHALLENGE',
    });
  });

  it('listens on every address without a host', async (t) => {
    const port = await freePort();
    const server = await openHttp01Server({ host: undefined, port });
    atEnd(t, () => server.close());
    await server.publish(TOKEN, 'x');
    assert.match(await request(port, 'GET', PATH), / 200 /);
  });

  it('is gone after close', async () => {
    const port = await freePort();
    const server = await openHttp01Server({ host: '127.0.0.1', port });
    await server.close();
    await server.close();
    await assert.rejects(request(port, 'GET', '/'), { code: 'ECONNREFUSED' });
  });
});
