import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { AcmeHttp, type HttpOptions } from '../../../../src/acme/transport/http.js';
import { HttpTrouble } from '../../../../src/acme/transport/http-trouble.js';
import { TracedHttp } from '../../../../src/acme/transport/traced-http.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import { atEnd, type Scope } from '../../../support/scope.js';

const MIB = 1024 * 1024;

/** Starts a server on loopback. @returns its URL */
async function serve(scope: Scope, answer: RequestListener): Promise<URL> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  atEnd(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return new URL(`http://127.0.0.1:${address.port}/x`);
}

function options(signal = new AbortController().signal): HttpOptions {
  return { authorities: undefined, userAgent: 'test/1', signal };
}

function client(scope: Scope, signal?: AbortSignal): AcmeHttp {
  const http = new AcmeHttp(options(signal));
  atEnd(scope, () => {
    http.close();
  });
  return http;
}

describe('AcmeHttp', () => {
  it('sends a JWS with its headers, and reads status, headers, links and body', async (t) => {
    let seen: unknown;
    const url = await serve(t, (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const { host, connection, ...headers } = request.headers;
        assert.ok(host !== undefined && connection !== undefined);
        seen = { method: request.method, path: request.url, headers, body };
        response.setHeader('Link', ['<a>;rel="x"', '<b>;rel="y"']);
        response.setHeader('Replay-Nonce', ['one', 'two']);
        response.statusCode = 201;
        response.write('an');
        response.end('swer');
      });
    });
    const answer = await client(t).request({ method: 'POST', url, body: '{"ü":1}', accept: 'a/b' });
    assert.deepEqual(seen, {
      method: 'POST',
      path: '/x',
      headers: {
        accept: 'a/b',
        'accept-language': 'en',
        'content-length': '8',
        'content-type': 'application/jose+json',
        'user-agent': 'test/1',
      },
      body: '{"ü":1}',
    });
    assert.deepEqual([answer.status, answer.body.toString()], [201, 'answer']);
    assert.deepEqual(answer.links, ['<a>;rel="x"', '<b>;rel="y"']);
    assert.equal(answer.headers.get('replay-nonce'), 'one');
  });

  it('has no links where there are none', async (t) => {
    const url = await serve(t, (_, response) => response.end());
    const answer = await client(t).request({ method: 'GET', url });
    assert.deepEqual([answer.status, answer.links, answer.body.length], [200, [], 0]);
  });

  for (const status of [300, 302, 399]) {
    it(`refuses the redirect ${status}`, async (t) => {
      const url = await serve(t, (_, response) => {
        response.writeHead(status, { location: 'http://other.example/' }).end();
      });
      const request = (): Promise<unknown> => client(t).request({ method: 'GET', url });
      const error = await appErrorOf(request, 'ACME_INVALID');
      assert.match(error.message, /redirects to http:\/\/other\.example\/, which is refused$/);
    });
  }

  it('gives answers with an error status back', async (t) => {
    const url = await serve(t, (_, response) => response.writeHead(400).end('no'));
    assert.equal((await client(t).request({ method: 'GET', url })).status, 400);
  });

  it('reads a mebibyte, and refuses more', async (t) => {
    const url = await serve(t, (request, response) => {
      response.end(Buffer.alloc(request.url === '/x' ? MIB : MIB + 1));
    });
    const http = client(t);
    assert.equal((await http.request({ method: 'GET', url })).body.length, MIB);
    const larger = new URL('/y', url);
    const error = await appErrorOf(
      () => http.request({ method: 'GET', url: larger }),
      'ACME_INVALID',
    );
    assert.match(error.message, /the answer is too large$/);
  });

  it('knows whether a request was sent that failed', async (t) => {
    const url = await serve(t, (request) => request.socket.destroy());
    const http = client(t);
    const broken = await appErrorOf(() => http.request({ method: 'GET', url }), 'ACME_CONNECTION');
    assert.ok(broken instanceof HttpTrouble);
    assert.deepEqual([broken.isSent, broken.isPassing], [true, true]);
    const free = new URL('http://127.0.0.1:1/');
    const refused = await appErrorOf(
      () => http.request({ method: 'GET', url: free }),
      'ACME_CONNECTION',
    );
    assert.ok(refused instanceof HttpTrouble);
    assert.deepEqual([refused.isSent, refused.isPassing], [false, true]);
  });

  it("ends with the signal's reason, before a request and in the midst of one", async (t) => {
    const controller = new AbortController();
    const reason = new AppError('CLIENT_INTERRUPTED', 'interrupted');
    const url = await serve(t, () => {
      controller.abort(reason);
    });
    const http = client(t, controller.signal);
    await assert.rejects(http.request({ method: 'GET', url }), reason);
    await assert.rejects(http.request({ method: 'GET', url }), reason);
  });
});

describe('TracedHttp', () => {
  it('traces method, URL, status, problem, size and the time to wait', async (t) => {
    const lines: string[] = [];
    const url = await serve(t, (request, response) => {
      if (request.method === 'GET') {
        response.end('body');
      } else if (request.method === 'POST') {
        response.writeHead(503, { 'retry-after': '7' }).end('{"detail":"busy"}');
      } else {
        request.socket.destroy();
      }
    });
    const http = new TracedHttp(options(), (line) => {
      lines.push(line.replace(/, \d+ ms$/, ', N ms'));
    });
    atEnd(t, () => {
      http.close();
    });
    assert.equal((await http.request({ method: 'GET', url })).status, 200);
    await http.request({ method: 'POST', url, body: 'secret' });
    await appErrorOf(() => http.request({ method: 'HEAD', url }), 'ACME_CONNECTION');
    assert.deepEqual(lines.slice(0, 2), [
      `GET ${url.href}: 200, 4 bytes, N ms`,
      `POST ${url.href}: 503 busy, 17 bytes, Retry-After: 7, N ms`,
    ]);
    assert.match(lines[2] ?? '', /^HEAD http:\S+: failed: 127\.0\.0\.1:\d+: .+, N ms$/);
  });
});
