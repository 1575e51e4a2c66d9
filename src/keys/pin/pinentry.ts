// Asks for a PIN or passphrase through pinentry, the dialogue program of GnuPG:
// `pin-source=pinentry`. Runs in clavigerd and its commands, which start pinentry as a child
// process. Speaks as much of the Assuan protocol as one question needs (Assuan manual §2; pinentry
// manual §3). It sends no option that lets pinentry answer from a password cache instead of asking.

import { spawn } from 'node:child_process';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Secret } from '../../lib/secret.js';
import { locateProgram } from '../../sys/program.js';
import { terminalPath } from '../../sys/terminal.js';
import { AssuanClient } from './assuan-client.js';
import { gpgEnvironment } from './gpg-environment.js';

/** As long as the prompt on the terminal waits. */
const PINENTRY_TIMEOUT_MS = 120_000;

/**
 * Shows a question and returns the answer, which may be empty.
 * @param command program and options.
 * @throws AppError KEY_PIN when it cannot be started, shown or is cancelled
 */
export async function askPinentry(
  command: readonly [string, ...string[]],
  question: string,
  env: NodeJS.ProcessEnv,
  timeoutMs = PINENTRY_TIMEOUT_MS,
): Promise<Secret> {
  const [program, ...args] = command;
  const terminal = env['GPG_TTY'] ?? terminalPath();
  const child = spawn(located(program), args, {
    env: gpgEnvironment(env, terminal),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const dialogue = new AssuanClient(child);
  const timer = setTimeout(() => {
    dialogue.fail(new Error(`no answer within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  try {
    await dialogue.greeting();
    await sendTerminalOptions(dialogue, env, terminal);
    await dialogue.ask('SETTITLE', 'clavigerd');
    await dialogue.ask('SETDESC', printable(question));
    await dialogue.ask('SETPROMPT', 'PIN:');
    return await dialogue.askSecret('GETPIN');
  } catch (error) {
    throw failure(program, error);
  } finally {
    clearTimeout(timer);
    child.stdin.destroy();
    child.stdout.destroy();
    child.kill('SIGKILL');
  }
}

function located(program: string): string {
  try {
    return locateProgram(program);
  } catch (error) {
    throw failure(program, error);
  }
}

function failure(program: string, error: unknown): AppError {
  return new AppError('KEY_PIN', `PIN: ${printable(program, 200)}: ${messageOf(error)}`, {
    hint: 'pinentry needs a display, or a terminal named by GPG_TTY=$(tty); the setting pinentry names its program, by its absolute path where it is not in /usr/bin',
  });
}

async function sendTerminalOptions(
  dialogue: AssuanClient,
  env: NodeJS.ProcessEnv,
  terminal: string | undefined,
): Promise<void> {
  const { TERM: type, LC_ALL: all, LC_CTYPE: ctype, LANG: language } = env;
  const options = {
    ttyname: terminal,
    ttytype: terminal === undefined ? undefined : (type ?? 'dumb'),
    'lc-ctype': all ?? ctype ?? language,
  };
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== '') {
      await dialogue.ask('OPTION', `${name}=${value}`);
    }
  }
}
