// Which PIN source a token has, and what a guard of it asks.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { LoginAttempts } from '../../../../src/keys/pin/login-attempts.js';
import { parsePinSource } from '../../../../src/keys/pin/pin-source.js';
import {
  isAskedOnTerminal,
  namedPinSource,
  tokenLoginGuard,
} from '../../../../src/keys/pin/token-pin.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';
import { makeTempDir } from '../../../support/temp-dir.js';

interface Fixture {
  readonly context: KeyContext;
  readonly log: string[];
  readonly questions: string[];
}

function makeContext(more: Partial<KeyContext> = {}): Fixture {
  const log: string[] = [];
  const questions: string[] = [];
  const context: KeyContext = {
    env: { MY_PIN: '1234', OTHER: '5678' },
    log: (level, message) => log.push(`${level}: ${message}`),
    prompt: (question) => {
      questions.push(question);
      return Promise.resolve(Secret.fromText('typed'));
    },
    ...more,
  };
  return { context, log, questions };
}

/** The PINs that a guard sends at its logins. */
async function sentBy(uri: string, context: KeyContext, logins = 1): Promise<string[]> {
  const guard = tokenLoginGuard(parsePkcs11Uri(uri), context);
  const sent: string[] = [];
  for (let login = 0; login < logins; login += 1) {
    await guard.login(TOKEN_INFO, (pin) => {
      sent.push(pin.use((bytes) => bytes.toString()));
      return Promise.resolve();
    });
  }
  guard.close();
  return sent;
}

describe('the PIN source of a token', () => {
  it('is that of its URI, else the configured one, else the terminal', async (t) => {
    const state = await makeTempDir(t);
    const { context, questions } = makeContext({
      stateDirectory: () => state,
      pinSource: 'env:OTHER',
    });
    assert.deepEqual(await sentBy('pkcs11:?pin-source=env:MY_PIN', context), ['1234']);
    assert.deepEqual(await sentBy('pkcs11:', context), ['5678']);
    assert.deepEqual(questions, []);
    const unset = { ...context, pinSource: undefined };
    assert.deepEqual(await sentBy('pkcs11:', unset), ['typed']);
    assert.deepEqual(questions, ['PIN of token "acme" (serial a1b2)']);
  });

  it('may be the URI itself, which is warned of; its PIN is good for many logins', async (t) => {
    const state = await makeTempDir(t);
    const { context, log } = makeContext({ stateDirectory: () => state });
    assert.deepEqual(await sentBy('pkcs11:?pin-value=4711', context, 2), ['4711', '4711']);
    assert.deepEqual(log, [
      'warning: pkcs11 URI: pin-value puts the PIN where it can be read; use pin-source',
    ]);
  });

  it('is refused where it is none', async () => {
    const { context } = makeContext({ pinSource: '1234' });
    await appErrorOf(() => tokenLoginGuard(parsePkcs11Uri('pkcs11:'), context), 'KEY_PIN_SOURCE');
  });

  it('is of no use without a state directory', async () => {
    const { context } = makeContext({ pinSource: 'env:MY_PIN' });
    await appErrorOf(() => sentBy('pkcs11:', context), 'SYS_FILE');
  });

  it('is not read once the process stops', async (t) => {
    const state = await makeTempDir(t);
    const attempts = new LoginAttempts();
    const { context } = makeContext({ stateDirectory: () => state, attempts });
    await attempts.stop();
    await appErrorOf(() => sentBy('pkcs11:?pin-source=env:MY_PIN', context), 'KEY_PIN_HELD');
  });
});

describe('a named PIN source', () => {
  it('may wait for a person at a prompt, a dialogue or a command', () => {
    const { context } = makeContext();
    for (const [text, mayAsk] of [
      ['prompt', true],
      ['pinentry', true],
      ['|pass show acme', true],
      ['file:/pin', false],
      ['env:PIN', false],
      ['credential:pin', false],
      ['pinpad', false],
    ] as const) {
      assert.equal(namedPinSource(parsePinSource(text), 'PIN', context).mayAsk, mayAsk, text);
    }
  });

  it('has the name and the identity of its source', () => {
    const { context } = makeContext({ env: { CREDENTIALS_DIRECTORY: '/run/c' } });
    const source = namedPinSource(parsePinSource('|pass show acme'), 'PIN', context);
    assert.deepEqual([source.name, source.identify()], ['|pass', '|pass show acme']);
    const credential = namedPinSource(parsePinSource('file:/run/c/pin'), 'PIN', context);
    assert.equal(credential.identify(), 'file:/run/c/pin');
  });

  it('asks for what it is called, of the token', async () => {
    const { context, questions } = makeContext();
    await namedPinSource(parsePinSource('prompt'), 'SO PIN', context).read(TOKEN_INFO);
    assert.deepEqual(questions, ['SO PIN of token "acme" (serial a1b2)']);
  });

  it('of a PIN pad gives an empty PIN', async () => {
    const { context, questions } = makeContext();
    const pin = await namedPinSource(parsePinSource('pinpad'), 'PIN', context).read(TOKEN_INFO);
    assert.equal(pin.length, 0);
    assert.deepEqual(questions, []);
  });
});

describe('a key', () => {
  it('is asked for on the terminal when nothing else has its PIN', () => {
    const { context } = makeContext();
    assert.ok(isAskedOnTerminal('pkcs11:', context));
    assert.ok(isAskedOnTerminal('pkcs11:?pin-source=prompt', { ...context, pinSource: 'env:P' }));
    assert.ok(!isAskedOnTerminal('pkcs11:', { ...context, pinSource: 'env:P' }));
    assert.ok(!isAskedOnTerminal('pkcs11:?pin-value=1', context));
    assert.ok(!isAskedOnTerminal('file:/key.pem', context));
  });
});
