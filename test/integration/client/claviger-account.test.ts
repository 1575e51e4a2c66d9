// Accounts on servers that ask for more than Pebble: terms, an account binding, other algorithms.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAccount, registerAccount } from '../../../src/acme/account.js';
import type { AccountSigner } from '../../../src/acme/account-signer.js';
import type { AcmeSession } from '../../../src/acme/session.js';
import { AppError } from '../../../src/lib/errors.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { openTestSession, softwareSigner } from '../../support/client/acme-session.js';
import {
  startAcmeServer,
  type AcmeAnswer,
  type AcmeCall,
  type AcmeServer,
} from '../../support/client/acme-server.js';
import type { Scope } from '../../support/scope.js';

const UNKNOWN: AcmeAnswer = {
  status: 400,
  body: { type: 'urn:ietf:params:acme:error:accountDoesNotExist', detail: 'who is that?' },
};

interface Opened {
  readonly session: AcmeSession;
  readonly server: AcmeServer;
  /** The payloads of requests that would change something. */
  readonly payloads: Readonly<Record<string, unknown>>[];
}

/** A session with a server that knows no account yet, and says this of itself. */
async function open(
  scope: Scope,
  meta: Readonly<Record<string, unknown>> = {},
  misbehave: (call: AcmeCall) => AcmeAnswer | undefined = () => undefined,
): Promise<Opened> {
  const payloads: Readonly<Record<string, unknown>>[] = [];
  const server = await startAcmeServer(scope, {
    misbehave: (call) => {
      const { endpoint, payload, base } = call;
      if (endpoint === 'directory') {
        const names = ['newNonce', 'newAccount', 'newOrder', 'revokeCert'];
        return {
          body: { ...Object.fromEntries(names.map((name) => [name, `${base}/${name}`])), meta },
        };
      }
      if (payload !== undefined) {
        payloads.push(payload);
      }
      return misbehave(call) ?? (payload?.['onlyReturnExisting'] === true ? UNKNOWN : undefined);
    },
  });
  const { session } = await openTestSession(scope, {
    directoryUrl: server.directoryUrl,
    authorities: server.caPem,
  });
  return { session, server, payloads };
}

async function assertFails(
  promise: Promise<unknown>,
  code: ErrorCode,
  pattern: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, code);
    assert.match(`${error.message}\n${error.hint ?? ''}`, pattern);
    return true;
  });
}

function withSigner(session: AcmeSession, signer: Partial<AccountSigner>): AcmeSession {
  return { ...session, signer: { ...softwareSigner(), ...signer } };
}

describe('registerAccount', () => {
  it('agrees to terms only when told to', async (t) => {
    const terms = 'https://ca.example/terms\u001b[2J';
    const { session, payloads } = await open(t, { termsOfService: terms });
    await assertFails(
      registerAccount(session, { contacts: [], agreeTermsOfService: false }),
      'ACME_UNSUPPORTED',
      /https:\/\/ca\.example\/terms\\u001b\[2J\n.*--agree-tos/,
    );
    assert.deepEqual(payloads, [{ onlyReturnExisting: true }]);
    const made = await registerAccount(session, { contacts: [], agreeTermsOfService: true });
    assert.equal(made.isNew, true);
    assert.deepEqual(payloads.at(-1), { termsOfServiceAgreed: true });
  });

  it('sends no contacts and no consent where none are given', async (t) => {
    const { session, payloads } = await open(t);
    await registerAccount(session, { contacts: [], agreeTermsOfService: false });
    assert.deepEqual(payloads.at(-1), {});
  });

  it('does not change contacts that are right already', async (t) => {
    const { session, payloads } = await open(t, {}, ({ endpoint, usual }) =>
      endpoint === 'newAccount'
        ? { ...usual, body: { status: 'valid', contact: ['mailto:a@a.test', 'mailto:b@b.test'] } }
        : undefined,
    );
    const contacts = ['mailto:b@b.test', 'mailto:a@a.test'];
    const found = await registerAccount(session, { contacts, agreeTermsOfService: false });
    assert.equal(found.isNew, false);
    assert.equal(payloads.length, 1);
    await registerAccount(session, { contacts: ['mailto:c@c.test'], agreeTermsOfService: false });
    assert.deepEqual(payloads.at(-1), { contact: ['mailto:c@c.test'] });
  });

  it('says that it cannot do an external account binding', async (t) => {
    const { session, server } = await open(t, { externalAccountRequired: true });
    await assertFails(
      registerAccount(session, { contacts: [], agreeTermsOfService: true }),
      'ACME_UNSUPPORTED',
      /external account binding/,
    );
    assert.equal(server.calls.filter((call) => call === 'newAccount').length, 1);
  });

  it('asks a signer in key-ID-only mode for nothing', async (t) => {
    const { session, server } = await open(t);
    const keyOnly = withSigner(session, { jwk: undefined, keyId: `${server.base}/account/1` });
    await assertFails(
      registerAccount(keyOnly, { contacts: [], agreeTermsOfService: true }),
      'ACME_UNSUPPORTED',
      /key-ID-only/,
    );
    assert.deepEqual(server.calls, ['directory']);
  });

  it('tells which algorithms a server takes that does not take ours', async (t) => {
    const { session } = await open(t, {}, ({ endpoint }) =>
      endpoint === 'newAccount'
        ? {
            status: 400,
            body: {
              type: 'urn:ietf:params:acme:error:badSignatureAlgorithm',
              detail: 'no ES256 here',
              algorithms: ['RS256'],
            },
          }
        : undefined,
    );
    await assertFails(
      registerAccount(session, { contacts: [], agreeTermsOfService: true }),
      'ACME_PROBLEM',
      /no ES256 here\n.*takes RS256/,
    );
  });
});

describe('readAccount', () => {
  it('reads the account of a key ID, without asking who the key is', async (t) => {
    const { session, server } = await open(t);
    const keyId = `${server.base}/account/1`;
    const found = await readAccount(withSigner(session, { jwk: undefined, keyId }));
    assert.equal(found.url, keyId);
    assert.deepEqual(found.account.contact, ['mailto:admin@example.org']);
    assert.equal(server.calls.includes('newAccount'), false);
  });

  it('refuses an account of the signer that is at another host', async (t) => {
    const { session, server } = await open(t);
    const before = server.calls.length;
    const signer = { jwk: undefined, keyId: 'https://127.0.0.1:1/account/1' };
    await assertFails(
      readAccount(withSigner(session, signer)),
      'CONFIG_INVALID',
      /the signer's account is at 127\.0\.0\.1:1, and the server is localhost:/,
    );
    assert.equal(server.calls.length, before);
  });

  it('does not use a key ID that is no https URL', async (t) => {
    const { session } = await open(t);
    const signer = { jwk: undefined, keyId: 'http://ca.example/account/1' };
    await assertFails(readAccount(withSigner(session, signer)), 'ACME_INVALID', /key ID/);
  });

  it('tells how to register a key that the server does not know', async (t) => {
    const { session } = await open(t);
    await assertFails(readAccount(session), 'ACME_PROBLEM', /who is that\?\n.*account register/);
  });

  it('refuses an account in a state nobody knows', async (t) => {
    const { session, server } = await open(t, {}, ({ endpoint }) =>
      endpoint === 'account' ? { body: { status: 'sleeping' } } : undefined,
    );
    const keyId = `${server.base}/account/1`;
    await assertFails(readAccount(withSigner(session, { keyId })), 'ACME_INVALID', /status/);
  });
});
