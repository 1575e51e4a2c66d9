// Blank tokens, security officers and changes of PINs: what is sent to the token, in which order,
// and what is not sent at all.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdminClient } from '../../../../src/keys/admin/admin-client.js';
import {
  changePinWith,
  initialiseToken,
  openAsOfficer,
} from '../../../../src/keys/admin/token-setup.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import type { TokenPinSource } from '../../../../src/keys/pin/pin-keeper.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import { Secret } from '../../../../src/lib/secret.js';
import type { TokenInfo } from '../../../../src/token/messages.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { ScriptedHelper, type Script } from '../../../support/keys/scripted-helper.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const BLANK: TokenInfo = { ...TOKEN_INFO, label: '', slotId: 7, initialized: false };
const URI = parsePkcs11Uri('pkcs11:token=acme');

interface Fixture {
  readonly admin: AdminClient;
  readonly helper: ScriptedHelper;
  readonly context: KeyContext;
}

/** A helper of these tokens; `script` answers what it has another answer for. */
async function makeFixture(
  t: Scope,
  tokens: readonly TokenInfo[],
  script: Partial<Record<string, Error>> = {},
): Promise<Fixture> {
  const answer: Script = (request) => {
    const failure = script[request.op];
    if (failure !== undefined) {
      return failure;
    }
    switch (request.op) {
      case 'list-tokens':
        return { kind: 'tokens', tokens: [...tokens] };
      case 'open':
        return { kind: 'token', token: TOKEN_INFO };
      case 'init-token':
        return { kind: 'token', token: { ...TOKEN_INFO, slotId: 9 } };
      default:
        return { kind: 'done' };
    }
  };
  const helper = new ScriptedHelper(answer);
  const state = await makeTempDir(t);
  return {
    helper,
    admin: new AdminClient(helper, 1000),
    context: { env: {}, log: () => undefined, stateDirectory: () => state },
  };
}

function pins(): { soPin: Secret; pin: Secret } {
  return { soPin: Secret.fromText('so-4711'), pin: Secret.fromText('user-4711') };
}

function sourceOf(pin: string): TokenPinSource {
  const read = (): Promise<Secret> => Promise.resolve(Secret.fromText(pin));
  return { name: 'test', mayAsk: false, identify: () => 'test', read };
}

function failure(returnValue: string, code: 'TOKEN_FAILED' | 'TOKEN_PIN_LOCKED'): TokenError {
  return new TokenError(code, `token: ${returnValue}`, { returnValue });
}

describe('a blank token', () => {
  it('is initialised in its slot, opened in the one it has then, and logged in to', async (t) => {
    const { admin, helper, context } = await makeFixture(t, [BLANK]);
    assert.equal(await initialiseToken(admin, URI, pins(), context), TOKEN_INFO);
    const secrets = { soPin: 'so-4711', pin: 'user-4711' };
    assert.deepEqual(helper.requests, [
      { op: 'list-tokens' },
      { op: 'init-token', slotId: 7, label: 'acme', ...secrets },
      { op: 'open', token: { slotId: 9 }, readWrite: true },
      { op: 'login', pin: 'user-4711', again: false },
    ]);
  });

  it('is the one that the URI names', async (t) => {
    const other = { ...BLANK, slotId: 8, serial: 'other' };
    const { admin, helper, context } = await makeFixture(t, [BLANK, other]);
    const uri = parsePkcs11Uri('pkcs11:token=acme;serial=other');
    await initialiseToken(admin, uri, pins(), context);
    const [, init] = helper.requests;
    assert.ok(init?.op === 'init-token');
    assert.equal(init.slotId, 8);
  });

  it('is not taken for one when it has a label, or is one of several, or there is none', async (t) => {
    const labelled: TokenInfo = { ...TOKEN_INFO, label: 'other' };
    const second = { ...BLANK, slotId: 8 };
    for (const [tokens, uri, code, message, hint] of [
      [[BLANK], 'pkcs11:', 'KEY_URI', /needs a label$/, /--token/],
      [[labelled], 'pkcs11:token=acme', 'TOKEN_NOT_FOUND', /none is blank$/, /destroy their keys$/],
      [
        [],
        'pkcs11:token=acme',
        'TOKEN_NOT_FOUND',
        /none is blank$/,
        /shows no token that matches$/,
      ],
      [
        [BLANK, second],
        'pkcs11:token=acme',
        'TOKEN_AMBIGUOUS',
        /several are blank$/,
        /\(7, 8, \.\.\.\)/,
      ],
      [
        [BLANK, TOKEN_INFO],
        'pkcs11:token=acme',
        'TOKEN_AMBIGUOUS',
        /"acme" is there already$/,
        /never initialised a second time$/,
      ],
    ] as const) {
      const { admin, helper, context } = await makeFixture(t, tokens);
      const error = await appErrorOf(
        () => initialiseToken(admin, parsePkcs11Uri(uri), pins(), context),
        code,
      );
      assert.match(error.message, message);
      assert.match(error.hint ?? '', hint);
      assert.ok(!helper.operations.includes('init-token'));
    }
  });
});

describe('the security officer', () => {
  it('is logged in to the token that the URI names, with a latch of their own', async (t) => {
    const { admin, helper, context } = await makeFixture(t, []);
    await openAsOfficer(admin, URI, sourceOf('so-4711'), context);
    assert.deepEqual(helper.requests.at(-1), { op: 'login-officer', soPin: 'so-4711' });
    const refusing = await makeFixture(t, [], {
      'login-officer': failure('CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'),
    });
    const open = (): Promise<unknown> =>
      openAsOfficer(refusing.admin, URI, sourceOf('so-4711'), refusing.context);
    await appErrorOf(open, 'TOKEN_PIN_LOCKED');
    const again = await appErrorOf(open, 'KEY_PIN_HELD');
    assert.match(again.message, /the SO PIN of test was refused/);
    assert.equal(refusing.helper.operations.filter((op) => op === 'login-officer').length, 1);
  });
});

describe('a change of the PIN', () => {
  const change = (by: 'user' | 'so', next = Secret.fromText('new-4711')) => ({
    by,
    present: sourceOf('old-4711'),
    readNew: () => Promise.resolve(next),
  });

  it('logs in with the present PIN first, and wipes the new one', async (t) => {
    const { admin, helper, context } = await makeFixture(t, []);
    const next = Secret.fromText('new-4711');
    assert.equal(await changePinWith(admin, URI, change('user', next), context), TOKEN_INFO);
    assert.deepEqual(helper.requests.slice(1), [
      { op: 'login', pin: 'old-4711', again: false },
      { op: 'change-pin', pin: 'old-4711', newPin: 'new-4711' },
    ]);
    assert.ok(next.use((bytes) => bytes.every((byte) => byte === 0)));
  });

  it('is made with an expired PIN, as its return value says', async (t) => {
    const expired = failure('CKR_PIN_EXPIRED', 'TOKEN_PIN_LOCKED');
    const { admin, helper, context } = await makeFixture(t, [], { login: expired });
    await changePinWith(admin, URI, change('user'), context);
    assert.equal(helper.operations.at(-1), 'change-pin');
    const locked = failure('CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED');
    const other = await makeFixture(t, [], { login: locked });
    await appErrorOf(
      () => changePinWith(other.admin, URI, change('user'), other.context),
      'TOKEN_PIN_LOCKED',
    );
    assert.ok(!other.helper.operations.includes('change-pin'));
  });

  it('by the security officer needs no PIN of the user, and says what else there is', async (t) => {
    const { admin, helper, context } = await makeFixture(t, []);
    await changePinWith(admin, URI, change('so'), context);
    assert.deepEqual(helper.requests.slice(1), [
      { op: 'login-officer', soPin: 'old-4711' },
      { op: 'unblock-pin', newPin: 'new-4711' },
    ]);
    const refused = failure('CKR_FUNCTION_NOT_SUPPORTED', 'TOKEN_FAILED');
    const other = await makeFixture(t, [], { 'unblock-pin': refused });
    const error = await appErrorOf(
      () => changePinWith(other.admin, URI, change('so'), other.context),
      'TOKEN_FAILED',
    );
    assert.match(error.hint ?? '', /with a PUK: ykman piv access unblock-pin/);
    assert.equal(error.cause, refused);
  });
});
