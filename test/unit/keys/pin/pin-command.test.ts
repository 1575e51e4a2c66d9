// PINs and passphrases that commands print.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { askPinentry } from '../../../../src/keys/pin/pinentry.js';
import { readPinFromCommand } from '../../../../src/keys/pin/pin-command.js';
import { parsePinSource, readPin } from '../../../../src/keys/pin/pin-source.js';
import type { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { recordSecret } from '../../../support/transcript.js';

const PIN = 'geheim-4711-ключ';
recordSecret(PIN);

function textOf(secret: Secret): string {
  return secret.use((bytes) => bytes.toString('utf8'));
}

const env = { PATH: process.env['PATH'] };

describe('PIN from a command', () => {
  it('is what it prints, without one line end', async () => {
    assert.equal(textOf(await readPinFromCommand(['printf', 'a b%s', '\n'], env)), 'a b');
    assert.equal(textOf(await readPinFromCommand(['printf', ' a\n\n'], env)), ' a\n');
    const source = parsePinSource(`|printf '%s' "${PIN}"`);
    assert.equal(textOf(await readPin(source, 'PIN', { env })), PIN);
  });

  it('goes through no shell', async () => {
    const source = parsePinSource('|echo $HOME `id` ; echo x | cat');
    assert.equal(textOf(await readPin(source, 'PIN', { env })), '$HOME `id` ; echo x | cat');
  });

  it('is refused with the reason when it fails, and nothing it printed is told', async () => {
    const failing: readonly (readonly [string, RegExp])[] = [
      ['/nowhere/program', /cannot be started: .*ENOENT/],
      [`sh -c 'echo ${PIN}; echo ${PIN} >&2; exit 3'`, /ended with exit status 3$/],
      [`sh -c 'echo ${PIN}; kill -9 $$'`, /ended with SIGKILL$/],
      ['head -c 5000 /dev/zero', /printed more than 4096 bytes$/],
      ['true', /what it prints is empty$/],
    ];
    for (const [command, message] of failing) {
      const source = parsePinSource(`|${command}`);
      const code = command === 'true' ? 'KEY_PIN_SOURCE' : 'KEY_PIN';
      const error = await appErrorOf(() => readPin(source, 'PIN', { env }), code);
      assert.match(error.message, message);
      assert.ok(!`${error.message}${error.hint ?? ''}`.includes('4711'));
    }
  });

  it('that takes too long is ended, with what it started', async (t) => {
    const folder = await makeTempDir(t);
    const pidFile = join(folder, 'pid');
    const script = `sleep 600 & echo $! > ${pidFile}; wait`;
    const error = await appErrorOf(
      () => readPinFromCommand(['sh', '-c', script], env, 500),
      'KEY_PIN',
    );
    assert.match(error.message, /has not ended within 0.5 s/);
    const child = readFileSync(pidFile, 'utf8').trim();
    for (let wait = 0; isRunning(child); wait++) {
      assert.ok(wait < 500, 'the child is still there');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it('does not see what is for the daemon alone', async () => {
    const loaders = { NODE_OPTIONS: '--x', LD_PRELOAD: '', BASH_ENV: '/x', ENV: '/x', IFS: 'x' };
    const full = { ...env, ...loaders, NOTIFY_SOCKET: '/x', KEPT: 'yes' };
    const shown = textOf(await readPinFromCommand(['env'], full));
    assert.match(shown, /^KEPT=yes$/m);
    assert.doesNotMatch(shown, /NODE_OPTIONS|LD_PRELOAD|NOTIFY_SOCKET|ENV=|IFS/);
    assert.match(shown, /^PATH=\/usr\/bin:\/bin$/m);
  });

  it('is not the program of that name in the search path of the caller', async (t) => {
    const folder = await makeTempDir(t);
    for (const name of ['printf', 'true']) {
      writeFileSync(join(folder, name), '#!/bin/sh\necho false-one\n', { mode: 0o700 });
    }
    const foreign = { PATH: `${folder}:/usr/bin:/bin` };
    assert.equal(textOf(await readPinFromCommand(['printf', '4711'], foreign)), '4711');
    const script = join(folder, 'script');
    writeFileSync(script, '#!/bin/sh\nexec env printf 4712\n', { mode: 0o700 });
    assert.equal(textOf(await readPinFromCommand([script], foreign)), '4712');
    const pinentry = join(folder, 'pinentry-false');
    writeFileSync(pinentry, '#!/bin/sh\necho OK\n', { mode: 0o700 });
    const error = await appErrorOf(
      () => askPinentry(['pinentry-false'], 'PIN', foreign),
      'KEY_PIN',
    );
    assert.match(error.message, /pinentry-false is not in \/usr\/bin or \/bin/);
  });

  it('is refused without a program, with an unclosed quote, or by a relative path', async () => {
    for (const text of ['|', '|  ', "|echo 'x", '|./pin', '|bin/pin']) {
      await appErrorOf(() => parsePinSource(text), 'KEY_PIN_SOURCE');
    }
  });
});

function isRunning(pid: string): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
