// Where a PIN comes from: each source, each way it can fail, and that no error holds the PIN.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { parsePinSource, readPin } from '../../../../src/keys/pin/pin-source.js';
import { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeTempDir } from '../../../support/temp-dir.js';

type Sources = Pick<KeyContext, 'env' | 'prompt'>;

async function pinOf(source: string, context: Sources = { env: {} }): Promise<string> {
  const pin = await readPin(parsePinSource(source), 'PIN', context);
  return pin.use((bytes) => bytes.toString());
}

describe('PIN source', () => {
  it('is parsed', () => {
    assert.deepEqual(parsePinSource('/etc/pin'), { kind: 'file', path: '/etc/pin' });
    assert.deepEqual(parsePinSource('file:/etc/pin'), { kind: 'file', path: '/etc/pin' });
    assert.deepEqual(parsePinSource('file:///etc/pin'), { kind: 'file', path: '/etc/pin' });
    assert.deepEqual(parsePinSource('env:MY_PIN'), { kind: 'env', name: 'MY_PIN' });
    assert.deepEqual(parsePinSource('credential:acme.pin'), {
      kind: 'credential',
      name: 'acme.pin',
    });
    assert.deepEqual(parsePinSource('prompt'), { kind: 'prompt' });
  });

  for (const text of [
    '',
    'pin',
    'file:pin',
    'file:',
    'env:',
    'env:A=B',
    'env:1',
    'credential:../x',
    'credential:a/b',
    'credential:',
    '1234',
    'Prompt',
    'http://x/',
  ]) {
    it(`is refused as ${JSON.stringify(text)}, without repeating it`, async () => {
      const error = await appErrorOf(() => parsePinSource(text), 'KEY_PIN_SOURCE');
      assert.match(error.message, /^pin-source: [a-z ]/);
      assert.ok(
        text.length < 4 || text.endsWith(':') || !`${error.message}${error.hint}`.includes(text),
      );
    });
  }

  it('is named in errors by its setting or option, and with what it may be', async () => {
    const error = await appErrorOf(() => parsePinSource('1234'), 'KEY_PIN_SOURCE');
    assert.match(error.message, /^pin-source: is a number, and wants the place of the PIN/);
    assert.match(error.hint ?? '', /^pin-source is file:.*, prompt, pinentry or pinpad$/);
    for (const [text, message] of [
      ['x', 'not a source this program knows'],
      ['file:x', 'the path after file: is not absolute'],
      ['env:', 'what follows env: is no name'],
      ['credential:/', 'what follows credential: is no name'],
    ] as const) {
      const named = await appErrorOf(
        () => parsePinSource(text, '--so-pin-source'),
        'KEY_PIN_SOURCE',
      );
      assert.equal(named.message, `--so-pin-source: ${message}`);
      assert.match(named.hint ?? '', /^--so-pin-source is file:/);
    }
    const control = await appErrorOf(() => parsePinSource('/a\n'), 'KEY_PIN');
    assert.equal(control.message, 'pin-source: has a control character');
    for (const text of ["|echo 'x", 'env:HOME']) {
      const named = await appErrorOf(() => parsePinSource(text, '--x'), 'KEY_PIN_SOURCE');
      assert.match(named.message, /^--x: /);
    }
  });

  it('is no variable that token helpers get: the PIN would show in /proc', async () => {
    for (const name of ['TPM2_PKCS11_PIN', 'HOME', 'PKCS11SPY']) {
      const error = await appErrorOf(() => parsePinSource(`env:${name}`), 'KEY_PIN_SOURCE');
      assert.match(error.message, /is a variable that PKCS#11 modules get/);
    }
  });

  it('file: loses one line end, and keeps everything else', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'pin');
    for (const [content, pin] of [
      ['1234', '1234'],
      ['1234\n', '1234'],
      ['1234\r\n', '1234'],
      ['12 34', '12 34'],
      ['ключ\n', 'ключ'],
    ] as const) {
      writeFileSync(path, content, { mode: 0o600 });
      assert.equal(await pinOf(`file:${path}`), pin);
    }
  });

  for (const [content, reason] of [
    ['\ufeff1234\n', /begins with a byte order mark: it is not tried$/],
    ['1234\n\n', /has a second line, or a second line end: it is not tried$/],
    ['1234\r\n\r\n', /has a second line/],
    ['1234\r', /has a second line/],
    ['1234\n5678\n', /has a second line/],
    ['12\u000034\n', /holds a NUL: it is not tried$/],
    ['1234\u0000', /holds a NUL/],
    ['1234 \n', /ends with a blank: it is not tried$/],
    ['1234\t', /ends with a blank/],
    ['1234\u00a0\n', /ends with a blank/],
    [' 1234\n', /begins with a blank: it is not tried$/],
    ['\t1234', /begins with a blank/],
  ] as const) {
    it(`holds the PIN alone: ${JSON.stringify(content)} is refused, whatever it comes from`, async (t) => {
      const folder = await makeTempDir(t);
      const path = join(folder, 'pin');
      writeFileSync(path, content, { mode: 0o600 });
      const env = { CREDENTIALS_DIRECTORY: folder, PATH: process.env['PATH'] };
      for (const source of [`file:${path}`, 'credential:pin', `|cat ${path}`]) {
        const error = await appErrorOf(() => pinOf(source, { env }), 'KEY_PIN_SOURCE');
        assert.match(error.message, reason);
        assert.doesNotMatch(`${error.message}${error.hint ?? ''}`, /1234/);
      }
      const variable = { MY_PIN: content };
      await appErrorOf(() => pinOf('env:MY_PIN', { env: variable }), 'KEY_PIN_SOURCE');
      const prompt = (): Promise<Secret> => Promise.resolve(Secret.fromText(content));
      assert.equal(await pinOf('prompt', { env: {}, prompt }), content, 'typed as it is meant');
    });
  }

  it('file: is refused when empty, missing, a folder, or open to others', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'pin');
    await appErrorOf(() => pinOf(path), 'SYS_PATH');
    await appErrorOf(() => pinOf(folder), 'SYS_PATH');
    writeFileSync(path, '\n', { mode: 0o600 });
    await appErrorOf(() => pinOf(path), 'KEY_PIN_SOURCE');
    writeFileSync(path, 'geheim-4711\n');
    chmodSync(path, 0o644);
    const error = await appErrorOf(() => pinOf(path), 'SYS_UNSAFE_PATH');
    assert.doesNotMatch(error.message, /geheim/);
  });

  it('env: is deleted once read', async () => {
    const env = { MY_PIN: '1234', OTHER: 'x' };
    assert.equal(await pinOf('env:MY_PIN', { env }), '1234');
    assert.deepEqual(env, { OTHER: 'x' });
    await appErrorOf(() => pinOf('env:MY_PIN', { env }), 'KEY_PIN_SOURCE');
    await appErrorOf(() => pinOf('env:EMPTY', { env: { EMPTY: '' } }), 'KEY_PIN_SOURCE');
  });

  it('credential: is a file of the credentials directory', async (t) => {
    const folder = await makeTempDir(t);
    mkdirSync(join(folder, 'creds'));
    writeFileSync(join(folder, 'creds', 'pin'), '1234\n', { mode: 0o400 });
    const env = { CREDENTIALS_DIRECTORY: join(folder, 'creds') };
    assert.equal(await pinOf('credential:pin', { env }), '1234');
    await appErrorOf(() => pinOf('credential:other', { env }), 'SYS_PATH');
    await appErrorOf(() => pinOf('credential:pin', { env: {} }), 'KEY_PIN_SOURCE');
  });

  it('prompt: asks, and says so where nobody can be asked', async () => {
    const prompt = (question: string): Promise<Secret> =>
      Promise.resolve(Secret.fromText(`${question}!`));
    assert.equal(await pinOf('prompt', { env: {}, prompt }), 'PIN!');
    const error = await appErrorOf(() => pinOf('prompt'), 'KEY_PIN_SOURCE');
    assert.match(error.message, /no terminal/);
    const silent = (): Promise<Secret> => Promise.resolve(Secret.fromText(''));
    await appErrorOf(() => pinOf('prompt', { env: {}, prompt: silent }), 'KEY_PIN');
  });
});
