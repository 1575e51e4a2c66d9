import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REVOCATION_REASONS, revokeCertificate } from '../../../src/acme/revocation.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  BASE,
  problem,
  scriptedSession,
  type Script,
  type ScriptedSession,
} from '../../support/client/scripted-acme.js';

const DER = Buffer.from('certificate');
const FOUND = { headers: { location: `${BASE}/account/7` }, body: {} };

function bed(script: Script): ScriptedSession {
  return scriptedSession({ newAccount: [FOUND], ...script });
}

describe('revokeCertificate', () => {
  it('sends certificate and reason, signed by the account', async () => {
    const { session, http } = bed({ revokeCert: [{}] });
    assert.equal(await revokeCertificate(session, DER, 4), true);
    const { header, payload } = http.calls.at(-1) ?? assert.fail();
    assert.deepEqual(payload, { certificate: DER.toString('base64url'), reason: 4 });
    assert.equal(header['kid'], `${BASE}/account/7`);
  });

  it('leaves the reason out where none is given', async () => {
    const { session, http } = bed({ revokeCert: [{}] });
    await revokeCertificate(session, DER, undefined);
    assert.deepEqual(http.calls.at(-1)?.payload, { certificate: DER.toString('base64url') });
  });

  it('is false for one that had been revoked', async () => {
    const { session } = bed({ revokeCert: [problem('alreadyRevoked')] });
    assert.equal(await revokeCertificate(session, DER, 1), false);
  });

  it('is repeated where the answer is an error of the server', async () => {
    const { session } = bed({ revokeCert: [problem('serverInternal', 500), {}] });
    assert.equal(await revokeCertificate(session, DER, 1), true);
  });

  for (const type of ['malformed', 'unauthorized']) {
    it(`explains ${type} by a certificate of another authority or account`, async () => {
      const { session } = bed({ revokeCert: [problem(type, 403, { detail: 'no' })] });
      const error = await appErrorOf(() => revokeCertificate(session, DER, 1), 'ACME_PROBLEM');
      assert.equal(error.message, `revocation: ${type}: no`);
      assert.match(error.hint ?? '', /issued by this --server/);
    });
  }

  it('keeps the hint of a problem that has one, and of others none', async () => {
    const gone = bed({ revokeCert: [problem('unauthorized', 403, { detail: 'deactivated' })] });
    const error = await appErrorOf(() => revokeCertificate(gone.session, DER, 1), 'ACME_PROBLEM');
    assert.match(error.hint ?? '', /another account key/);
    const odd = bed({ revokeCert: [problem('badRevocationReason')] });
    const other = await appErrorOf(() => revokeCertificate(odd.session, DER, 1), 'ACME_PROBLEM');
    assert.equal(other.hint, undefined);
  });

  it('needs a server that offers it', async () => {
    const { session, http } = scriptedSession({}, { directory: { revokeCert: undefined } });
    const error = await appErrorOf(() => revokeCertificate(session, DER, 1), 'ACME_UNSUPPORTED');
    assert.equal(error.message, 'revocation: the server does not offer it');
    assert.match(error.hint ?? '', /ask the authority/);
    assert.deepEqual(http.calls, []);
  });
});

describe('REVOCATION_REASONS', () => {
  it('has the codes of RFC 5280 §5.3.1 that a subscriber may give', () => {
    assert.deepEqual(
      [...REVOCATION_REASONS],
      [
        ['unspecified', 0],
        ['keyCompromise', 1],
        ['affiliationChanged', 3],
        ['superseded', 4],
        ['cessationOfOperation', 5],
      ],
    );
  });
});
