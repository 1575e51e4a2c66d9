import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openAccount, readAccount, registerAccount } from '../../../src/acme/account.js';
import { appErrorOf } from '../../support/app-error.js';
import { BASE, problem, scriptedSession, SIGNER } from '../../support/client/scripted-acme.js';

const URL_1 = `${BASE}/account/1`;
const UNKNOWN = problem('accountDoesNotExist');
const FOUND = { headers: { location: URL_1 }, body: { status: 'valid' } };
const CREATED = { status: 201, headers: { location: `${BASE}/account/2` }, body: '' };
const REGISTRATION = { contacts: ['mailto:a@b.example'], agreeTermsOfService: true };

describe('openAccount', () => {
  it('asks the server for the account of the key, and never makes one', async () => {
    const { session, http } = scriptedSession({ newAccount: [FOUND] });
    assert.equal((await openAccount(session)).accountUrl, URL_1);
    const { header, payload } = http.calls.at(-1) ?? assert.fail();
    assert.deepEqual(payload, { onlyReturnExisting: true });
    assert.deepEqual(header['jwk'], SIGNER.jwk);
  });

  it("takes the signer's own account without a request", async () => {
    const keyId = `${BASE}/acct/%7E7`;
    const { session, http } = scriptedSession({}, { signer: { keyId } });
    assert.equal((await openAccount(session)).accountUrl, keyId);
    assert.deepEqual(http.calls, []);
  });

  it('takes an account at the host of any of the resources', async () => {
    const directory = { newAccount: new URL('https://accounts.example/new') };
    const signer = { keyId: 'https://accounts.example/7' };
    const { session } = scriptedSession({}, { signer, directory });
    assert.equal((await openAccount(session)).accountUrl, signer.keyId);
    const orders = { newOrder: new URL('https://accounts.example/order') };
    await openAccount(scriptedSession({}, { signer, directory: orders }).session);
  });

  it("refuses an account of another server, and what is no server's URL", async () => {
    const other = scriptedSession({}, { signer: { keyId: 'https://other.example/1' } });
    const error = await appErrorOf(() => openAccount(other.session), 'CONFIG_INVALID');
    assert.equal(
      error.message,
      "account: the signer's account is at other.example, and the server is ca.example",
    );
    assert.match(error.hint ?? '', /--server/);
    const odd = scriptedSession({}, { signer: { keyId: 'http://ca.example/1' } });
    const invalid = await appErrorOf(() => openAccount(odd.session), 'ACME_INVALID');
    assert.match(invalid.message, /^the signer's key ID: /);
  });

  it('passes on that the server does not know the key', async () => {
    const { session } = scriptedSession({ newAccount: [UNKNOWN] });
    const error = await appErrorOf(() => openAccount(session), 'ACME_PROBLEM');
    assert.match(error.message, /^account: accountDoesNotExist/);
  });

  it('registers a key that the server does not know where the session may', async () => {
    const script = { newAccount: [UNKNOWN, UNKNOWN, CREATED] };
    const registration = REGISTRATION;
    const { session, http, reports } = scriptedSession(script, { registration });
    assert.equal((await openAccount(session)).accountUrl, `${BASE}/account/2`);
    assert.deepEqual(http.calls.at(-1)?.payload, {
      contact: ['mailto:a@b.example'],
      termsOfServiceAgreed: true,
    });
    assert.deepEqual(reports, [
      'the server does not know the account key yet: registering it, as configured',
    ]);
  });

  it('registers for no other problem', async () => {
    const script = { newAccount: [problem('unauthorized', 403)] };
    const { session, http } = scriptedSession(script, { registration: REGISTRATION });
    await appErrorOf(() => openAccount(session), 'ACME_PROBLEM');
    assert.equal(http.paths.length, 1);
  });

  it('refuses an answer without a usable account URL', async () => {
    const { session } = scriptedSession({ newAccount: [{ body: {} }] });
    const error = await appErrorOf(() => openAccount(session), 'ACME_INVALID');
    assert.match(error.message, /^account: location: /);
  });
});

describe('readAccount', () => {
  it('reads the account by its URL', async () => {
    const body = { status: 'valid', contact: ['mailto:x@y.example'] };
    const { session, http } = scriptedSession({ newAccount: [FOUND], 'account/1': [{ body }] });
    const { url, account } = await readAccount(session);
    assert.deepEqual([url, account.contact], [URL_1, ['mailto:x@y.example']]);
    const { header, payload } = http.calls.at(-1) ?? assert.fail();
    assert.deepEqual([header['kid'], payload], [URL_1, undefined]);
  });
});

describe('registerAccount', () => {
  const NO_CONTACT = { contacts: [], agreeTermsOfService: false };

  it('registers without contact and consent where neither is given', async () => {
    const { session, http } = scriptedSession({ newAccount: [UNKNOWN, CREATED] });
    const found = await registerAccount(session, NO_CONTACT);
    assert.deepEqual([found.url, found.isNew], [`${BASE}/account/2`, true]);
    assert.deepEqual(http.calls.at(-1)?.payload, {});
  });

  it('finds a key that is registered, and leaves its contacts when none are given', async () => {
    const { session, http } = scriptedSession({ newAccount: [FOUND] });
    const found = await registerAccount(session, NO_CONTACT);
    assert.deepEqual([found.url, found.isNew], [URL_1, false]);
    assert.deepEqual(http.paths, ['newAccount']);
  });

  it('updates contacts that differ, by the account', async () => {
    const known = { ...FOUND, body: { status: 'valid', contact: ['mailto:old@b.example'] } };
    const updated = { body: { status: 'valid', contact: ['mailto:a@b.example'] } };
    const script = { newAccount: [known], 'account/1': [updated] };
    const { session, http } = scriptedSession(script);
    const found = await registerAccount(session, REGISTRATION);
    assert.deepEqual([found.account.contact, found.isNew], [['mailto:a@b.example'], false]);
    const { header, payload } = http.calls.at(-1) ?? assert.fail();
    assert.equal(header['kid'], URL_1);
    assert.deepEqual(payload, { contact: ['mailto:a@b.example'] });
  });

  it('updates contacts that the answer does not show, and no equal ones in another order', async () => {
    const contacts = ['mailto:a@b.example', 'mailto:c@d.example'];
    const registration = { contacts, agreeTermsOfService: true };
    const hidden = scriptedSession({ newAccount: [FOUND], 'account/1': [{}] });
    await registerAccount(hidden.session, registration);
    assert.deepEqual(hidden.http.paths, ['newAccount', 'account/1']);
    const same = { ...FOUND, body: { status: 'valid', contact: [...contacts].reverse() } };
    const shown = scriptedSession({ newAccount: [same] });
    await registerAccount(shown.session, registration);
    assert.deepEqual(shown.http.paths, ['newAccount']);
  });

  for (const status of ['deactivated', 'revoked']) {
    it(`refuses an account that is ${status}`, async () => {
      const { session } = scriptedSession({ newAccount: [{ ...FOUND, body: { status } }] });
      const error = await appErrorOf(
        () => registerAccount(session, REGISTRATION),
        'ACME_UNSUPPORTED',
      );
      assert.equal(error.message, `account: ${URL_1} is ${status}`);
      assert.match(error.hint ?? '', /make another account key/);
    });
  }

  it('cannot be done through a signer in key-ID-only mode', async () => {
    const { session, http } = scriptedSession({}, { signer: { jwk: undefined } });
    const error = await appErrorOf(
      () => registerAccount(session, REGISTRATION),
      'ACME_UNSUPPORTED',
    );
    assert.match(error.message, /key-ID-only mode/);
    assert.match(error.hint ?? '', /account show/);
    assert.deepEqual(http.calls, []);
  });

  it('wants consent to the terms, and shows where they are', async () => {
    const directory = { termsOfService: 'https://ca.example/terms\u0007' };
    const { session, http } = scriptedSession({ newAccount: [UNKNOWN] }, { directory });
    const without = { contacts: [], agreeTermsOfService: false };
    const error = await appErrorOf(() => registerAccount(session, without), 'ACME_UNSUPPORTED');
    assert.match(error.message, /terms of service: https:\/\/ca\.example\/terms\\u0007$/);
    assert.match(error.hint ?? '', /--agree-tos/);
    assert.equal(http.paths.length, 1);
    const agreed = scriptedSession({ newAccount: [UNKNOWN, CREATED] }, { directory });
    assert.equal((await registerAccount(agreed.session, REGISTRATION)).isNew, true);
  });

  it('cannot bind an external account', async () => {
    const directory = { isExternalAccountRequired: true };
    const { session } = scriptedSession({ newAccount: [UNKNOWN] }, { directory });
    const error = await appErrorOf(
      () => registerAccount(session, REGISTRATION),
      'ACME_UNSUPPORTED',
    );
    assert.match(error.message, /external account binding/);
    assert.match(error.hint ?? '', /another --server/);
  });

  it('passes other problems of the search on', async () => {
    const { session } = scriptedSession({ newAccount: [problem('unauthorized', 403)] });
    await appErrorOf(() => registerAccount(session, REGISTRATION), 'ACME_PROBLEM');
  });
});
