// The requests of `clavigerd key` to a token helper: what is sent, and what is not believed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdminClient, forCommand, isMatchingKey } from '../../../../src/keys/admin/admin-client.js';
import { assertNoPinValue } from '../../../../src/keys/admin/token-admin.js';
import type { GoodResult } from '../../../../src/keys/helper/pending-requests.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import { Secret } from '../../../../src/lib/secret.js';
import type { KeyInfo } from '../../../../src/token/messages.js';
import { appErrorOf } from '../../../support/app-error.js';
import { ScriptedHelper } from '../../../support/keys/scripted-helper.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';

const KEY: KeyInfo = { label: 'account', id: '01', hasPrivate: true, type: 'P-256' };

function makeAdmin(result: GoodResult): { admin: AdminClient; helper: ScriptedHelper } {
  const helper = new ScriptedHelper(() => result);
  return { admin: new AdminClient(helper, 1000), helper };
}

describe('an administrative request', () => {
  it('is one message, with secrets as text', async () => {
    const { admin, helper } = makeAdmin({ kind: 'done' });
    await admin.logInOfficer(Secret.fromText('ключ'));
    await admin.changePin(Secret.fromText('1'), Secret.fromText('2'));
    await admin.unblockPin(Secret.fromText('3'));
    assert.deepEqual(helper.requests, [
      { op: 'login-officer', soPin: 'ключ' },
      { op: 'change-pin', pin: '1', newPin: '2' },
      { op: 'unblock-pin', newPin: '3' },
    ]);
  });

  it('gives what the helper replied', async () => {
    const token = makeAdmin({ kind: 'token', token: TOKEN_INFO });
    const pins = { soPin: Secret.fromText('1'), pin: Secret.fromText('2') };
    const made = await token.admin.initToken({ slotId: 3, label: 'x', ...pins });
    assert.equal(made, TOKEN_INFO);
    const key = makeAdmin({ kind: 'key', key: KEY });
    assert.equal(await key.admin.importKey({ label: 'a', id: '' }, Buffer.from('der')), KEY);
    assert.deepEqual(key.helper.requests, [
      { op: 'import-key', label: 'a', id: '', pkcs8: 'ZGVy' },
    ]);
    const found = makeAdmin({ kind: 'certificates', certificates: ['ZGVy'] });
    assert.deepEqual(await found.admin.attest(KEY), [Buffer.from('der')]);
    assert.deepEqual(found.helper.requests, [{ op: 'attest', label: 'account', id: '01' }]);
  });

  it('fails when the reply is of another kind', async () => {
    const { admin } = makeAdmin({ kind: 'done' });
    const error = await appErrorOf(() => admin.deleteKey(KEY), 'TOKEN_HELPER');
    assert.equal(error.message, 'token helper: no deleted in reply to delete-key');
  });

  it('never has a PIN that is not UTF-8', async () => {
    const { admin, helper } = makeAdmin({ kind: 'done' });
    const pin = new Secret(Buffer.from([0xe9]));
    const error = await appErrorOf(() => admin.unblockPin(pin), 'KEY_PIN');
    assert.equal(error.message, 'PIN: not UTF-8, and no token takes that');
    assert.deepEqual(helper.requests, []);
  });
});

describe('the context of a command', () => {
  it('logs everything but errors, which the command prints itself', () => {
    const log: string[] = [];
    const context: KeyContext = { env: {}, log: (level) => log.push(level) };
    const { log: quiet } = forCommand(context);
    for (const level of ['error', 'warning', 'notice', 'debug'] as const) {
      quiet(level, 'x');
    }
    assert.deepEqual(log, ['warning', 'notice', 'debug']);
  });
});

describe('a key matches a URI', () => {
  it('by label and ID, as far as the URI has them', () => {
    for (const [uri, isMatch] of [
      ['pkcs11:', true],
      ['pkcs11:object=account', true],
      ['pkcs11:id=%01', true],
      ['pkcs11:object=account;id=%01', true],
      ['pkcs11:object=other;id=%01', false],
      ['pkcs11:object=account;id=%02', false],
    ] as const) {
      assert.equal(isMatchingKey(KEY, parsePkcs11Uri(uri)), isMatch, uri);
    }
  });
});

describe('a URI of the command line', () => {
  it('must not have the PIN, which others could read', async () => {
    assertNoPinValue(parsePkcs11Uri('pkcs11:?pin-source=prompt'));
    const error = await appErrorOf(() => {
      assertNoPinValue(parsePkcs11Uri('pkcs11:?pin-value=4711'));
    }, 'KEY_URI');
    assert.equal(error.message, 'pkcs11 URI: pin-value has no place on a command line');
    assert.doesNotMatch(error.hint ?? '', /4711/);
  });
});
