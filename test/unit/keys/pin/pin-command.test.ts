// PINs and passphrases from programs: commands of ours, and pinentry, both one of ours and
// Debian's.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { askPinentry } from '../../../../src/keys/pin/pinentry.js';
import { readPinFromCommand } from '../../../../src/keys/pin/pin-command.js';
import { parsePinSource, readPin } from '../../../../src/keys/pin/pin-source.js';
import type { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { startProcess } from '../../../support/process.js';
import type { Scope } from '../../../support/scope.js';
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

/** A pinentry that answers by a script: writes down what it is asked. */
const PINENTRY = `
import { createInterface } from 'node:readline';
import { appendFileSync } from 'node:fs';
const [transcript, answer] = process.argv.slice(2);
const say = (text) => process.stdout.write(text + '\\n');
say('OK Pleased to meet you');
createInterface({ input: process.stdin }).on('line', (line) => {
  appendFileSync(transcript, line + '\\n');
  if (line !== 'GETPIN') { say('# comment'); say('OK'); return; }
  if (answer === 'die') process.exit(1);
  if (answer === 'hang') return;
  if (answer === 'cancel') { say('ERR 83886179 Operation cancelled <Pinentry>'); return; }
  if (answer === 'long') { say('D ' + 'x'.repeat(1500)); return; }
  say('S PASSWORD_FROM_NOTHING');
  for (const part of answer.split(',')) say('D ' + part);
  say('OK');
});
`;

async function makePinentry(
  t: Scope,
): Promise<{ ask: (answer: string, timeoutMs?: number) => Promise<Secret>; asked: () => string }> {
  const folder = await makeTempDir(t);
  const [script, transcript] = [join(folder, 'pinentry.mjs'), join(folder, 'transcript')];
  writeFileSync(script, PINENTRY);
  const question = 'PIN of token "100%"\u001b[2J (serial 1)';
  return {
    ask: (answer, timeoutMs) =>
      askPinentry(
        [process.execPath, script, transcript, answer],
        question,
        { ...env, GPG_TTY: '/dev/pts/99', TERM: 'xterm', LANG: 'C.UTF-8' },
        timeoutMs,
      ),
    asked: () => readFileSync(transcript, 'utf8'),
  };
}

describe('PIN from pinentry', () => {
  it('is asked for in the Assuan protocol', async (t) => {
    const { ask, asked } = await makePinentry(t);
    assert.equal(textOf(await ask('a%25b%0Ac,d%zz')), 'a%b\ncd%zz');
    assert.deepEqual(asked().trim().split('\n'), [
      'OPTION ttyname=/dev/pts/99',
      'OPTION ttytype=xterm',
      'OPTION lc-ctype=C.UTF-8',
      'SETTITLE clavigerd',
      'SETDESC PIN of token "100%25"\\u001b[2J (serial 1)',
      'SETPROMPT PIN:',
      'GETPIN',
    ]);
  });

  it('is refused with the reason when it is cancelled, ends, says too much or nothing', async (t) => {
    const { ask } = await makePinentry(t);
    for (const [answer, message] of [
      ['cancel', /Operation cancelled <Pinentry>$/],
      ['die', /ended with exit status 1$/],
      ['long', /sent a line that is too long$/],
      ['hang', /no answer within 0.5 s$/],
    ] as const) {
      const error = await appErrorOf(
        () => ask(answer, 500 + (answer === 'hang' ? 0 : 20_000)),
        'KEY_PIN',
      );
      assert.match(error.message, message);
    }
    const missing = () => askPinentry(['/nowhere/pinentry'], 'PIN', env);
    assert.match((await appErrorOf(missing, 'KEY_PIN')).message, /cannot be started: .*ENOENT/);
  });

  it('that is empty is refused', async (t) => {
    const folder = await makeTempDir(t);
    const script = join(folder, 'pinentry.mjs');
    writeFileSync(script, PINENTRY);
    const pinentry = [process.execPath, script, join(folder, 'x'), ''] as const;
    const context: Pick<KeyContext, 'env' | 'pinentry'> = { env, pinentry };
    const error = await appErrorOf(
      () => readPin(parsePinSource('pinentry'), 'PIN', context),
      'KEY_PIN',
    );
    assert.match(error.message, /the answer is empty/);
  });

  it('is taken from pinentry-curses on a terminal', async (t) => {
    const folder = await makeTempDir(t);
    const script = join(folder, 'ask.mjs');
    const output = join(folder, 'answer');
    const module = new URL('../../../../src/keys/pin/pinentry.js', import.meta.url).href;
    writeFileSync(
      script,
      `import { askPinentry } from ${JSON.stringify(module)};
       import { writeFileSync } from 'node:fs';
       const secret = await askPinentry(['pinentry-curses'], 'PIN of token "acme"', process.env);
       writeFileSync(${JSON.stringify(output)}, secret.use((bytes) => bytes.toString('utf8')));
       console.log('answered');`,
    );
    const terminal = await startProcess(t, {
      command: 'script',
      args: [
        '--quiet',
        '--return',
        '--flush',
        '--command',
        `exec '${process.execPath}' '${script}'`,
        '/dev/null',
      ],
      env: { TERM: 'xterm', LANG: 'C.UTF-8', GPG_TTY: undefined },
      stdin: true,
      waitFor: /PIN of token/,
    });
    terminal.stdin.write('4711-geheim\r');
    await terminal.waitFor(/answered/);
    assert.equal(readFileSync(output, 'utf8'), '4711-geheim');
    assert.equal((await terminal.waitForExit()).code, 0);
    assert.doesNotMatch(terminal.output, /4711/);
  });
});
