// PINs and passphrases from pinentry: one of ours that answers by a script, and Debian's.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { askPinentry } from '../../../../src/keys/pin/pinentry.js';
import { parsePinSource, readPin } from '../../../../src/keys/pin/pin-source.js';
import type { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';
import { startProcess } from '../../../support/process.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

function textOf(secret: Secret): string {
  return secret.use((bytes) => bytes.toString('utf8'));
}

const env = { PATH: process.env['PATH'] };

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

  it('is asked for on a dumb terminal where its type is not known, in the language there is', async (t) => {
    const folder = await makeTempDir(t);
    const [script, transcript] = [join(folder, 'pinentry.mjs'), join(folder, 'transcript')];
    writeFileSync(script, PINENTRY);
    const command = [process.execPath, script, transcript, '4711'] as const;
    await askPinentry(command, 'PIN', { ...env, GPG_TTY: '/dev/pts/99', LC_CTYPE: '', LANG: 'C' });
    const options = (): string[] => readFileSync(transcript, 'utf8').split('\n').slice(0, 3);
    assert.deepEqual(options(), [
      'OPTION ttyname=/dev/pts/99',
      'OPTION ttytype=dumb',
      'SETTITLE clavigerd',
    ]);
    writeFileSync(transcript, '');
    const languages = { LC_ALL: 'a', LC_CTYPE: 'b', LANG: 'c' };
    await askPinentry(command, 'PIN', { ...env, ...languages, GPG_TTY: '' });
    assert.deepEqual(options(), ['OPTION ttytype=dumb', 'OPTION lc-ctype=a', 'SETTITLE clavigerd']);
  });

  it('is asked by the program pinentry unless another is named', async () => {
    const context = { env: { GPG_TTY: '/nowhere/tty' } };
    const error = await appErrorOf(
      () => readPin(parsePinSource('pinentry'), 'PIN', context),
      'KEY_PIN',
    );
    assert.match(error.message, /^PIN: pinentry: /);
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
