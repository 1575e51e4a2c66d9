// The ACME core against a server with a bad day: what passes is waited for, what was acted on is
// asked about.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { readAccount, registerAccount } from '../../../src/acme/account.js';
import { issueCertificate, type IssuancePorts } from '../../../src/acme/issue.js';
import { revokeCertificate } from '../../../src/acme/revocation.js';
import { createCsr } from '../../../src/client/install/csr.js';
import { openTestSession, type TestSession } from '../../support/client/acme-session.js';
import {
  startAcmeServer,
  type AcmeAnswer,
  type AcmeCall,
  type AcmeServer,
  type AcmeServerOptions,
  type Endpoint,
} from '../../support/client/acme-server.js';
import { ROOT } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { newKey } from '../../support/client/test-ca.js';

const NAMES = [
  { type: 'dns', value: 'a.test' },
  { type: 'dns', value: 'b.test' },
] as const;

interface Bed extends TestSession {
  readonly server: AcmeServer;
  /** The first chain. */
  readonly issue: (ports?: Partial<IssuancePorts>) => Promise<string>;
}

async function openBed(
  scope: Scope,
  misbehave: NonNullable<AcmeServerOptions['misbehave']>,
  timeoutMs = 20_000,
): Promise<Bed> {
  const server = await startAcmeServer(scope, { misbehave });
  const opened = await openTestSession(scope, {
    directoryUrl: server.directoryUrl,
    authorities: server.caPem,
    timeoutMs,
  });
  return {
    ...opened,
    server,
    issue: async (more = {}) => {
      const ports: IssuancePorts = {
        publishHttp01: () => Promise.resolve(),
        createCsr: () => createCsr(newKey(), NAMES),
        ...more,
      };
      for await (const pem of await issueCertificate(opened.session, NAMES, ports)) {
        return pem;
      }
      throw new Error('the server sent no chain');
    },
  };
}

function countOf(server: AcmeServer, endpoint: Endpoint): number {
  return server.calls.filter((call) => call === endpoint).length;
}

function bodyOf(usual: AcmeAnswer): Readonly<Record<string, unknown>> {
  return v.parse(v.record(v.string(), v.unknown()), usual.body);
}

/** What is usual has happened by then; whether the client hears of it is another matter. */
const ALL: readonly Endpoint[] = [
  ...(['directory', 'newNonce', 'newAccount', 'newOrder', 'authorization'] as const),
  ...(['challenge', 'order', 'finalize', 'certificate'] as const),
];
/** Those whose URLs the server has handed out a moment ago. */
const FRESH: readonly Endpoint[] = [
  'authorization',
  'challenge',
  'order',
  'finalize',
  'certificate',
];

describe('an issuance survives, at every step,', () => {
  const troubles: readonly (readonly [string, AcmeAnswer, readonly Endpoint[]])[] = [
    ...[429, 500, 502, 503, 504].map(
      (status) => [`one ${status} without Retry-After`, { status, body: 'no' }, ALL] as const,
    ),
    ['a connection that breaks', { reset: true }, ALL],
    ['a server that is away for a moment', { awayMs: 400 }, ALL],
    ['a 404 from a replica that lags', { status: 404, body: 'no order here' }, FRESH],
  ];
  for (const [name, answer, endpoints] of troubles) {
    it(name, async (t) => {
      const { server, issue } = await openBed(t, ({ endpoint, count }) =>
        endpoints.includes(endpoint) && count === 0 ? answer : undefined,
      );
      assert.match(await issue(), /BEGIN CERTIFICATE/);
      for (const endpoint of endpoints) {
        assert.ok(countOf(server, endpoint) >= (endpoint === 'finalize' ? 1 : 2), endpoint);
      }
    });
  }

  it('several troubles in a row, and tells what it waits for', async (t) => {
    const { issue, reports } = await openBed(t, ({ endpoint, count }) =>
      endpoint === 'certificate' && count < 5 ? { status: 502, body: '<html>' } : undefined,
    );
    assert.match(await issue(), /BEGIN CERTIFICATE/);
    assert.ok(
      reports.some((line) => /^certificate: HTTP status 502; trying again in \d s$/.test(line)),
    );
  });
});

describe('an issuance does not wait', () => {
  it('for what does not pass', async (t) => {
    for (const status of [400, 401, 403, 405, 501]) {
      const { server, issue } = await openBed(t, ({ endpoint }) =>
        endpoint === 'certificate' ? { status, body: 'no' } : undefined,
      );
      await assert.rejects(issue(), { code: 'ACME_PROBLEM' });
      assert.equal(countOf(server, 'certificate'), 1);
    }
  });

  it('beyond its time, and then tells the trouble itself', async (t) => {
    const { issue } = await openBed(
      t,
      ({ endpoint }) => (endpoint === 'certificate' ? { status: 503, body: 'no' } : undefined),
      1_500,
    );
    await assert.rejects(issue(), {
      code: 'ACME_PROBLEM',
      message: /^certificate: HTTP status 503/,
    });
  });
});

describe('what may have been acted on is asked about:', () => {
  it('an order whose answer was lost is found in the list of the account', async (t) => {
    const { server, issue } = await openBed(t, ({ endpoint, usual, base }) => {
      if (endpoint === 'newOrder') {
        return { ...usual, reset: true };
      }
      if (endpoint === 'account') {
        return { body: { ...bodyOf(usual), orders: `${base}/orders/0` } };
      }
      return undefined;
    });
    assert.match(await issue(), /BEGIN CERTIFICATE/);
    assert.equal(countOf(server, 'newOrder'), 1);
  });

  it('the order tells whether finalize was heard, whatever its answer', async (t) => {
    for (const lost of [
      { reset: true },
      { status: 500, body: 'no' },
      { status: 504, body: 'no' },
    ]) {
      const { server, issue } = await openBed(t, ({ endpoint, usual }) =>
        endpoint === 'finalize' ? { ...usual, ...lost } : undefined,
      );
      assert.match(await issue(), /BEGIN CERTIFICATE/);
      assert.equal(countOf(server, 'finalize'), 1);
    }
  });

  it('the authorization tells whether a challenge was heard that is not to be told again', async (t) => {
    const { issue } = await openBed(t, ({ endpoint, count, usual }) => {
      if (endpoint !== 'challenge') {
        return undefined;
      }
      const malformed = { type: 'urn:ietf:params:acme:error:malformed', detail: 'not pending' };
      return count === 0 ? { ...usual, reset: true } : { status: 400, body: malformed };
    });
    assert.match(await issue(), /BEGIN CERTIFICATE/);
  });
});

describe('a server that asks to come back', () => {
  it('in a day is answered, and looked at, all the same', async (t) => {
    const tomorrow = { 'retry-after': '86400' };
    const { issue } = await openBed(t, ({ endpoint, count, usual }) => {
      switch (endpoint) {
        case 'challenge':
          return { ...usual, headers: tomorrow };
        case 'authorization':
          return {
            headers: tomorrow,
            body: { ...bodyOf(usual), ...(count < 8 ? { status: 'pending' } : {}) },
          };
        case 'finalize':
          return { headers: tomorrow, body: { ...bodyOf(usual), status: 'processing' } };
        case 'order':
          return count === 1
            ? { headers: tomorrow, body: { ...bodyOf(usual), status: 'processing' } }
            : undefined;
        default:
          return undefined;
      }
    });
    assert.match(await issue(), /BEGIN CERTIFICATE/);
  });

  it('in seconds for what takes a moment is looked at early', async (t) => {
    const soon = { 'retry-after': '30' };
    const { issue } = await openBed(t, ({ endpoint, count, usual }) => {
      switch (endpoint) {
        case 'challenge':
          return { ...usual, headers: soon };
        case 'authorization':
          return {
            headers: soon,
            body: { ...bodyOf(usual), ...(count < 4 ? { status: 'pending' } : {}) },
          };
        case 'finalize':
          return { headers: soon, body: { ...bodyOf(usual), status: 'processing' } };
        default:
          return undefined;
      }
    });
    // Obeyed, either pause alone is longer than the whole time allowed.
    assert.match(await issue(), /BEGIN CERTIFICATE/);
  });
});

describe('an answer with less in it than RFC 8555 promises', () => {
  const cases = join(ROOT, 'test/fixtures/acme');
  const recorded = async (name: string, base: string): Promise<string> =>
    (await readFile(join(cases, name), 'utf8')).replaceAll('https://localhost', base);

  /** Answers in place of the usual ones, by endpoint. */
  async function withAnswers(
    scope: Scope,
    answers: Partial<Record<Endpoint, (call: AcmeCall) => AcmeAnswer | undefined>>,
  ): Promise<Bed> {
    return await openBed(scope, (call) => answers[call.endpoint]?.(call));
  }

  it('a directory without revokeCert, or with meta null, serves all but a revocation', async (t) => {
    for (const name of ['directory-meta-null.json', 'directory-without-revokeCert.json']) {
      const text = await recorded(name, 'BASE');
      const bed = await withAnswers(t, {
        directory: ({ base }) => ({ body: text.replaceAll('BASE', base) }),
      });
      assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
      if (name.includes('without')) {
        const revoking = revokeCertificate(bed.session, Buffer.from('der'), undefined);
        await assert.rejects(revoking, { code: 'ACME_UNSUPPORTED', message: /^revocation: / });
      }
    }
  });

  it('an account with contact null, {} or nothing beside its location is one', async (t) => {
    for (const body of [await recorded('account-contact-null.json', ''), '{}', '', '\n']) {
      const bed = await withAnswers(t, {
        newAccount: ({ usual }) => ({ ...usual, body }),
        account: () => ({ body: body.trim() === '' ? '{"status":"valid"}' : body }),
      });
      const consent = { contacts: ['mailto:a@example.org'], agreeTermsOfService: true };
      const found = await registerAccount(bed.session, consent);
      assert.equal(found.url, `${bed.server.base}/account/1`);
      assert.equal((await readAccount(bed.session)).account.status, 'valid');
      assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
    }
  });

  it('a ready order with authorizations null is finalized', async (t) => {
    const text = await recorded('order-ready-authorizations-null.json', 'BASE');
    const order = v.parse(v.record(v.string(), v.unknown()), JSON.parse(text));
    const bed = await withAnswers(t, {
      newOrder: ({ usual, base }) => ({
        ...usual,
        body: { ...order, identifiers: NAMES, finalize: `${base}/finalize/1` },
      }),
    });
    assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
    assert.equal(countOf(bed.server, 'authorization'), 0);
  });

  it('a polled order without what was told before is gone on with', async (t) => {
    const bed = await withAnswers(t, {
      order: ({ usual }) => {
        const { status, certificate } = bodyOf(usual);
        return { body: { status, certificate, error: null, finalize: null } };
      },
      finalize: () => ({ body: '' }),
    });
    assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
  });

  it('a valid authorization without challenges is valid', async (t) => {
    for (const challenges of [undefined, null]) {
      const bed = await withAnswers(t, {
        authorization: ({ usual }) => ({ body: { ...bodyOf(usual), status: 'valid', challenges } }),
        order: ({ count, usual }) =>
          count === 0 ? { body: { ...bodyOf(usual), status: 'ready' } } : undefined,
      });
      assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
    }
  });

  it('a nonce of random letters, in no canonical spelling, is used', async (t) => {
    const bed = await openBed(t, ({ usual, id, endpoint, count }) => ({
      ...usual,
      headers: { ...usual.headers, 'replay-nonce': `${endpoint}${id}${count}${'z'.repeat(3)}` },
    }));
    assert.match(await bed.issue(), /BEGIN CERTIFICATE/);
  });

  it('a deactivated account is told as the server tells it', async (t) => {
    const body = await recorded('problem-unauthorized-deactivated.json', '');
    const bed = await withAnswers(t, { newAccount: () => ({ status: 403, body }) });
    await assert.rejects(bed.issue(), {
      code: 'ACME_PROBLEM',
      message: /exists but is deactivated/,
    });
    assert.equal(countOf(bed.server, 'newAccount'), 1);
  });
});
