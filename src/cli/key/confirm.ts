// Lets a person confirm what cannot be undone: they type the label of the key on the terminal, or a
// script repeats it in an option. Runs in `clavigerd key`. Reads the controlling terminal and not
// standard input, so that no pipe answers by accident.

import { writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { openTerminal } from '../../sys/terminal.js';

const ANSWER_TIMEOUT_MS = 120_000;
const MAX_ANSWER_CHARS = 1024;

/**
 * Returns when `expected` was repeated.
 * @param option the text that a script gave in place of typing, if it did.
 * @throws AppError KEY_UNCONFIRMED
 */
export async function confirmName(
  expected: string,
  question: string,
  option: string | undefined,
): Promise<void> {
  const answer = option ?? (await askLine(question));
  if (answer !== expected) {
    throw new AppError(
      'KEY_UNCONFIRMED',
      option === undefined
        ? 'key: not deleted: what was typed is something else'
        : `key: not deleted: --yes-delete says ${JSON.stringify(option)}, and the key is ${JSON.stringify(expected)}`,
    );
  }
}

async function askLine(question: string): Promise<string> {
  const fd = openTerminalToConfirm();
  const terminal = new ReadStream(fd);
  try {
    writeSync(fd, `${printable(question)}: `);
    return await readLine(terminal);
  } finally {
    terminal.destroy();
  }
}

function openTerminalToConfirm(): number {
  try {
    return openTerminal();
  } catch (error) {
    throw new AppError('KEY_UNCONFIRMED', 'key: not deleted: no terminal to confirm it at', {
      hint: 'a script repeats the label: --yes-delete LABEL',
      cause: error,
    });
  }
}

function readLine(terminal: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const giveUp = (): void => {
      clearTimeout(timer);
      reject(new AppError('KEY_UNCONFIRMED', 'key: not deleted: nothing was typed'));
    };
    const timer = setTimeout(giveUp, ANSWER_TIMEOUT_MS);
    terminal.setEncoding('utf8');
    terminal.on('data', (chunk: string) => {
      typed += chunk;
      const end = typed.search(/[\r\n]/);
      if (end !== -1 || typed.length > MAX_ANSWER_CHARS) {
        clearTimeout(timer);
        resolve(typed.slice(0, end === -1 ? MAX_ANSWER_CHARS : end));
      }
    });
    terminal.on('end', giveUp).on('error', giveUp).on('close', giveUp);
  });
}
