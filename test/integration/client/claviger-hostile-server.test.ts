// The ACME core against a server that does what Pebble never does: by mistake, or on purpose.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { issueCertificate, type IssuancePorts } from '../../../src/acme/issue.js';
import { revokeCertificate } from '../../../src/acme/revocation.js';
import { createCsr } from '../../../src/client/install/csr.js';
import { AppError } from '../../../src/lib/errors.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { openTestSession, type TestSession } from '../../support/client/acme-session.js';
import {
  startAcmeServer,
  type AcmeAnswer,
  type AcmeCall,
  type AcmeServer,
  type AcmeServerOptions,
  type Endpoint,
} from '../../support/client/acme-server.js';
import { freePort } from '../../support/free-port.js';
import type { Scope } from '../../support/scope.js';
import { newKey } from '../../support/client/test-ca.js';

const NAMES = [
  { type: 'dns', value: 'a.test' },
  { type: 'dns', value: 'b.test' },
] as const;

interface Issued extends TestSession {
  readonly server: AcmeServer;
  readonly published: string[];
  readonly result: Promise<string>;
}

/** Starts a server and an issuance from it. */
async function issueFrom(
  scope: Scope,
  options: AcmeServerOptions,
  timeoutMs?: number,
): Promise<Issued> {
  const server = await startAcmeServer(scope, options);
  const opened = await openTestSession(scope, {
    directoryUrl: server.directoryUrl,
    authorities: server.caPem,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const published: string[] = [];
  const ports: IssuancePorts = {
    publishHttp01: (token) => {
      published.push(token);
      return Promise.resolve();
    },
    createCsr: () => createCsr(newKey(), NAMES),
  };
  const result = firstChain(issueCertificate(opened.session, NAMES, ports));
  result.catch(() => undefined);
  return { ...opened, server, published, result };
}

async function firstChain(chains: Promise<AsyncIterable<string>>): Promise<string> {
  for await (const pem of await chains) {
    return pem;
  }
  throw new Error('the server sent no chain');
}

/** Another answer of one endpoint, the first `times` times. */
function answering(endpoint: Endpoint, answer: AcmeAnswer, times = Infinity): AcmeServerOptions {
  return {
    misbehave: (call) => (call.endpoint === endpoint && call.count < times ? answer : undefined),
  };
}

/** The first request to finalize changes nothing, and is answered so. */
function losingFinalize(answer: AcmeAnswer): AcmeServerOptions {
  return {
    misbehave: ({ endpoint, count, usual }) => {
      if (endpoint === 'finalize' && count === 0) {
        return answer;
      }
      const isAfter = endpoint === 'order' && count === 1;
      return isAfter ? { body: { ...bodyOf(usual), status: 'ready' } } : undefined;
    },
  };
}

function changing(
  endpoint: Endpoint,
  change: (call: AcmeCall) => Readonly<Record<string, unknown>>,
): AcmeServerOptions {
  return {
    misbehave: (call) =>
      call.endpoint === endpoint
        ? { ...call.usual, body: { ...bodyOf(call.usual), ...change(call) } }
        : undefined,
  };
}

function problem(name: string, more: Readonly<Record<string, unknown>> = {}): AcmeAnswer {
  return {
    status: 400,
    body: { type: `urn:ietf:params:acme:error:${name}`, detail: `the ${name} detail`, ...more },
  };
}

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'it succeeded' });
}

describe('an ordinary server', () => {
  it('issues', async (t) => {
    const { result, published, server } = await issueFrom(t, {});
    assert.match(await result, /^-----BEGIN CERTIFICATE-----/);
    assert.equal(published.length, 2);
    assert.equal(server.calls.filter((call) => call === 'challenge').length, 2);
  });

  it('that has authorized the names before is asked for no challenge', async (t) => {
    const { result, published, server } = await issueFrom(t, {
      misbehave: ({ endpoint, usual }) => {
        switch (endpoint) {
          case 'authorization':
            return { body: { ...bodyOf(usual), status: 'valid' } };
          case 'order':
            return { body: { ...bodyOf(usual), status: 'ready' } };
          case 'finalize':
            return { body: { ...bodyOf(usual), status: 'valid' } };
          default:
            return undefined;
        }
      },
    });
    await result;
    assert.deepEqual(published, []);
    assert.equal(server.calls.includes('challenge'), false);
  });
});

describe('a server in trouble', () => {
  it('that rejects nonces is asked again with the nonce of its answer', async (t) => {
    const { result, server } = await issueFrom(t, answering('newOrder', problem('badNonce'), 5));
    await result;
    assert.equal(server.calls.filter((call) => call === 'newOrder').length, 6);
    // Fewer than it would take without those of the answers; proving in parallel may need one more.
    assert.ok(server.calls.filter((call) => call === 'newNonce').length <= 2);
  });

  it('that rejects every nonce is not asked for ever', async (t) => {
    const { result, server } = await issueFrom(t, answering('newOrder', problem('badNonce')));
    assert.equal((await failureOf(result)).code, 'ACME_PROBLEM');
    assert.equal(server.calls.filter((call) => call === 'newOrder').length, 8);
  });

  it('that is busy is asked again after the pause it asks for', async (t) => {
    const busy = { ...problem('serverInternal'), status: 503, headers: { 'retry-after': '1' } };
    const { result, reports } = await issueFrom(t, answering('newOrder', busy, 1));
    await result;
    assert.ok(reports.some((line) => line.includes('asks to wait 1 s')));
  });

  it('that limits requests for long is not waited for', async (t) => {
    const limited = { ...problem('rateLimited'), status: 429, headers: { 'retry-after': '3600' } };
    const { result, server } = await issueFrom(t, answering('newOrder', limited));
    const failure = await failureOf(result);
    assert.match(failure.message, /rateLimited: the rateLimited detail/);
    assert.match(failure.hint ?? '', /wait/);
    assert.equal(server.calls.filter((call) => call === 'newOrder').length, 1);
  });

  it('that cuts the connection of a read is asked again', async (t) => {
    const { result } = await issueFrom(t, answering('order', { reset: true }, 2));
    await result;
  });

  it('that cuts the connection of its directory or a nonce, or is busy with it, is asked again', async (t) => {
    const busy = { status: 503, headers: { 'retry-after': '1' } };
    for (const endpoint of ['directory', 'newNonce'] as const) {
      for (const answer of [{ reset: true }, busy]) {
        const { result, server } = await issueFrom(t, answering(endpoint, answer, 1));
        await result;
        assert.ok(server.calls.filter((call) => call === endpoint).length >= 2);
      }
    }
  });

  it('that gives no nonce for ever is not asked for ever', async (t) => {
    const { result, server } = await issueFrom(t, answering('newNonce', { reset: true }), 1_500);
    assert.equal((await failureOf(result)).code, 'ACME_CONNECTION');
    const tries = server.calls.filter((call) => call === 'newNonce').length;
    assert.ok(tries >= 4 && tries <= 12, String(tries));
  });

  it('that loses the request to finalize gets it again, as the order is still ready', async (t) => {
    const { result, server } = await issueFrom(t, losingFinalize({ reset: true }));
    assert.match(await result, /BEGIN CERTIFICATE/);
    assert.equal(server.calls.filter((call) => call === 'finalize').length, 2);
  });

  it('that loses its answer to finalize is not asked twice: the order tells', async (t) => {
    const { result, server } = await issueFrom(t, {
      misbehave: ({ endpoint, usual }) =>
        // The certificate is issued: what is usual has happened by now.
        endpoint === 'finalize' ? { ...usual, reset: true } : undefined,
    });
    assert.match(await result, /BEGIN CERTIFICATE/);
    assert.equal(server.calls.filter((call) => call === 'finalize').length, 1);
  });

  it('that never gets a request to finalize is given up', async (t) => {
    const { result, server } = await issueFrom(t, {
      misbehave: ({ endpoint, count, usual }) => {
        if (endpoint === 'finalize') {
          return { reset: true };
        }
        const isAfter = endpoint === 'order' && count > 0;
        return isAfter ? { body: { ...bodyOf(usual), status: 'ready' } } : undefined;
      },
    });
    assert.equal((await failureOf(result)).code, 'ACME_CONNECTION');
    assert.equal(server.calls.filter((call) => call === 'finalize').length, 4);
  });

  it('that finds the order not ready yet is waited for', async (t) => {
    const { result, server } = await issueFrom(
      t,
      losingFinalize({ ...problem('orderNotReady'), status: 403 }),
    );
    assert.match(await result, /BEGIN CERTIFICATE/);
    assert.equal(server.calls.filter((call) => call === 'finalize').length, 2);
  });

  it('that works on a challenge already is not told to again', async (t) => {
    const { result, server, published } = await issueFrom(t, {
      misbehave: ({ endpoint, count, usual }) => {
        if (endpoint === 'authorization') {
          const challenges = [{ ...challengeOf(usual), status: 'processing' }];
          const status = count < 2 ? 'pending' : 'valid';
          return { body: { ...bodyOf(usual), status, challenges } };
        }
        return endpoint === 'order' && count === 0
          ? { body: { ...bodyOf(usual), status: 'ready' } }
          : undefined;
      },
    });
    assert.match(await result, /BEGIN CERTIFICATE/);
    assert.equal(published.length, 2);
    assert.equal(server.calls.includes('challenge'), false);
  });

  it('that writes null for what is absent is understood', async (t) => {
    const { result } = await issueFrom(t, {
      misbehave: ({ endpoint, usual }) => {
        switch (endpoint) {
          case 'newOrder':
          case 'order':
            return { ...usual, body: { certificate: null, ...bodyOf(usual), error: null } };
          case 'authorization':
            return {
              body: { ...bodyOf(usual), challenges: [{ ...challengeOf(usual), error: null }] },
            };
          default:
            return undefined;
        }
      },
    });
    assert.match(await result, /BEGIN CERTIFICATE/);
  });

  it('that never answers a new order is not asked for many', async (t) => {
    const { result, server } = await issueFrom(t, answering('newOrder', { reset: true }));
    assert.equal((await failureOf(result)).code, 'ACME_CONNECTION');
    assert.equal(server.calls.filter((call) => call === 'newOrder').length, 3);
  });

  it('shows subproblems with their names', async (t) => {
    const subproblems = [
      {
        type: 'urn:ietf:params:acme:error:caa',
        detail: 'CAA forbids',
        identifier: { type: 'dns', value: 'b.test' },
      },
    ];
    const { result } = await issueFrom(
      t,
      answering('newOrder', problem('compound', { subproblems })),
    );
    assert.match(
      (await failureOf(result)).message,
      /compound detail\n {2}b\.test: caa: CAA forbids/,
    );
  });

  it('shows the error of the challenge for each name that failed', async (t) => {
    const { result } = await issueFrom(
      t,
      changing('authorization', ({ count, usual }) =>
        count < 2
          ? {}
          : {
              status: 'invalid',
              challenges: [{ ...challengeOf(usual), error: problem('connection').body }],
            },
      ),
    );
    const failure = await failureOf(result);
    assert.equal(failure.code, 'ACME_ORDER_FAILED');
    assert.match(failure.message, /^order: 2 of 2 names/);
    assert.match(failure.message, /^a\.test: connection: the connection detail$/m);
    assert.match(failure.message, /^b\.test: connection: the connection detail$/m);
    assert.match(failure.hint ?? '', /port 80/);
  });

  it('tells at once why a name failed, and again in the end when another one took too long', async (t) => {
    const { result, reports } = await issueFrom(
      t,
      changing('authorization', ({ count, usual }) =>
        count < 2 || identifierOf(usual) === 'b.test'
          ? { status: 'pending' }
          : {
              status: 'invalid',
              challenges: [{ ...challengeOf(usual), error: problem('connection').body }],
            },
      ),
      1_000,
    );
    const failure = await failureOf(result);
    assert.equal(failure.code, 'ACME_TIMEOUT');
    assert.match(failure.message, /^b\.test: authorization: not done in the time allowed/);
    assert.match(failure.message, /^a\.test: connection: the connection detail$/m);
    assert.ok(reports.includes('a.test: connection: the connection detail'));
  });

  it('shows the error of an order that becomes invalid after finalizing', async (t) => {
    const { result } = await issueFrom(
      t,
      changing('finalize', () => ({ status: 'invalid', error: problem('badCSR').body })),
    );
    const failure = await failureOf(result);
    assert.equal(failure.code, 'ACME_ORDER_FAILED');
    assert.match(failure.message, /badCSR: the badCSR detail/);
  });

  it('that takes time to issue is waited for, as long as it asks', async (t) => {
    const date = new Date(Date.now() + 2_000).toUTCString();
    const { result } = await issueFrom(t, {
      misbehave: ({ endpoint, count, usual }) => {
        const processing = (): AcmeAnswer['body'] => ({ ...bodyOf(usual), status: 'processing' });
        if (endpoint === 'finalize') {
          return { body: processing(), headers: { 'retry-after': date } };
        }
        return endpoint === 'order' && count === 1
          ? { body: processing(), headers: { 'retry-after': '1' } }
          : undefined;
      },
    });
    assert.match(await result, /BEGIN CERTIFICATE/);
  });

  it('that never gets done is given up', async (t) => {
    const { result } = await issueFrom(
      t,
      {
        misbehave: ({ endpoint, count, usual }) =>
          endpoint === 'finalize' || (endpoint === 'order' && count > 0)
            ? { body: { ...bodyOf(usual), status: 'processing' } }
            : undefined,
      },
      600,
    );
    assert.equal((await failureOf(result)).code, 'ACME_TIMEOUT');
  });

  it('that issues before it was asked to is not believed', async (t) => {
    const { result } = await issueFrom(
      t,
      changing('order', () => ({ status: 'valid' })),
    );
    assert.equal((await failureOf(result)).code, 'ACME_INVALID');
  });

  it('that says revoked already is no failure', async (t) => {
    const server = await startAcmeServer(t, answering('revokeCert', problem('alreadyRevoked')));
    const { session } = await openTestSession(t, {
      directoryUrl: server.directoryUrl,
      authorities: server.caPem,
    });
    assert.equal(await revokeCertificate(session, Buffer.from('der'), 1), false);
  });
});

describe('a hostile server', () => {
  const cases: readonly (readonly [string, AcmeServerOptions, ErrorCode])[] = [
    [
      'redirects a request',
      answering('newOrder', { status: 307, headers: { location: 'https://evil.test/' } }),
      'ACME_INVALID',
    ],
    ['sends too much', answering('newOrder', { body: 'x'.repeat(2_000_000) }), 'ACME_INVALID'],
    [
      'sends too many headers',
      answering('newOrder', { headers: { 'x-a': 'x'.repeat(20_000) } }),
      'ACME_INVALID',
    ],
    ['sends no JSON', answering('newOrder', { status: 201, body: '<html>' }), 'ACME_INVALID'],
    [
      'sends a status nobody knows',
      changing('order', () => ({ status: 'nearly' })),
      'ACME_INVALID',
    ],
    ['sends wrong types', changing('newOrder', () => ({ authorizations: 'all' })), 'ACME_INVALID'],
    [
      'sends no location',
      {
        misbehave: ({ endpoint, usual }) =>
          endpoint === 'newOrder' ? { ...usual, headers: {} } : undefined,
      },
      'ACME_INVALID',
    ],
    [
      'names a clear-text URL',
      changing('newOrder', () => ({ finalize: 'http://127.0.0.1/' })),
      'ACME_INVALID',
    ],
    [
      'names a file URL',
      changing('newOrder', () => ({ authorizations: ['file:///etc/passwd'] })),
      'ACME_INVALID',
    ],
    [
      'names a URL with a password',
      changing('newOrder', () => ({ finalize: 'https://a:b@evil.test/' })),
      'ACME_INVALID',
    ],
    [
      'names another account URL',
      {
        misbehave: ({ endpoint, usual }) =>
          endpoint === 'newAccount'
            ? { ...usual, headers: { location: 'javascript:alert(1)' } }
            : undefined,
      },
      'ACME_INVALID',
    ],
    [
      'orders other names',
      changing('newOrder', () => ({ identifiers: [{ type: 'dns', value: 'evil.test' }] })),
      'ACME_INVALID',
    ],
    [
      'gives a path as token',
      changing('authorization', ({ usual }) => ({
        challenges: [{ ...challengeOf(usual), token: '../../../../../etc/cron.d/x' }],
      })),
      'ACME_INVALID',
    ],
    [
      'gives a token without end',
      changing('authorization', ({ usual }) => ({
        challenges: [{ ...challengeOf(usual), token: 'a'.repeat(5000) }],
      })),
      'ACME_INVALID',
    ],
    [
      'offers no http-01',
      changing('authorization', () => ({ challenges: [] })),
      'ACME_UNSUPPORTED',
    ],
    [
      'sends a chain without end',
      answering('certificate', { body: 'x'.repeat(300_000) }),
      'ACME_INVALID',
    ],
    [
      'gives no certificate in the end',
      {
        misbehave: ({ endpoint, usual }) =>
          endpoint === 'finalize' || endpoint === 'order'
            ? { body: { ...bodyOf(usual), certificate: undefined } }
            : undefined,
      },
      'ACME_INVALID',
    ],
  ];
  for (const [name, options, code] of cases) {
    it(`that ${name} gets nowhere`, async (t) => {
      const { result, published } = await issueFrom(t, options);
      const failure = await failureOf(result);
      assert.equal(failure.code, code, failure.message);
      assert.equal(failure.message.includes('\u001b'), false);
      assert.ok(published.every((token) => /^[\w-]{22,200}$/.test(token)));
    });
  }

  it('that gives unusable nonces only is refused, not believed', async (t) => {
    const bad = { headers: { 'replay-nonce': 'not base64url!' } };
    const { result } = await issueFrom(t, answering('newNonce', bad));
    assert.equal((await failureOf(result)).code, 'ACME_INVALID');
  });

  it('with a directory that is none is refused', async (t) => {
    for (const [answer, code] of [
      [{ body: {} }, 'ACME_INVALID'],
      [{ status: 404 }, 'ACME_PROBLEM'],
      [{ status: 301, headers: { location: '/x' } }, 'ACME_INVALID'],
    ] as const) {
      const server = await startAcmeServer(t, answering('directory', answer));
      const opening = openTestSession(t, {
        directoryUrl: server.directoryUrl,
        authorities: server.caPem,
      });
      assert.equal((await failureOf(opening)).code, code);
    }
  });

  it('with a certificate nobody vouches for is not talked to', async (t) => {
    const server = await startAcmeServer(t);
    const failure = await failureOf(openTestSession(t, { directoryUrl: server.directoryUrl }));
    assert.equal(failure.code, 'ACME_CONNECTION');
    assert.match(failure.hint ?? '', /--server-ca-file/);
    assert.deepEqual(server.calls, []);
  });

  it('that is not there is told as such', async (t) => {
    const directoryUrl = `https://localhost:${await freePort()}/`;
    const failure = await failureOf(openTestSession(t, { directoryUrl }));
    assert.equal(failure.code, 'ACME_CONNECTION');
    assert.match(failure.message, /ECONNREFUSED/);
  });

  it('is left when the user interrupts', async (t) => {
    const { result, controller } = await issueFrom(
      t,
      changing('authorization', () => ({ status: 'pending' })),
    );
    const reason = new AppError('CLIENT_INTERRUPTED', 'interrupted');
    setTimeout(() => {
      controller.abort(reason);
    }, 200);
    const failure = await failureOf(result);
    // Both names wait, and fail for one reason: it is told once.
    assert.deepEqual([failure.code, failure.message], ['CLIENT_INTERRUPTED', 'interrupted']);
  });
});

/** The challenge of an authorization as the server would send it. */
function challengeOf(usual: AcmeAnswer): Readonly<Record<string, unknown>> {
  const schema = v.object({ challenges: v.array(v.record(v.string(), v.unknown())) });
  return v.parse(schema, usual.body).challenges[0] ?? {};
}

function identifierOf(usual: AcmeAnswer): string {
  const schema = v.object({ identifier: v.object({ value: v.string() }) });
  return v.parse(schema, usual.body).identifier.value;
}

function bodyOf(usual: AcmeAnswer): Readonly<Record<string, unknown>> {
  return v.parse(v.record(v.string(), v.unknown()), usual.body);
}
