// Asks for a PIN or passphrase on the terminal, without echo. Used by clavigerd at its start and by
// its commands, never while it serves. Uses /dev/tty, so that --stdio and pipes stay untouched.

import { closeSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import type { SecretPrompt } from '../../keys/key-context.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { Secret } from '../../lib/secret.js';
import { openTerminal } from '../../sys/terminal.js';
import { Interrupted } from './interrupted.js';

const PROMPT_TIMEOUT_MS = 120_000;
const MAX_SECRET_BYTES = 1024;

const ENTER = new Set([0x0a, 0x0d, 0x04]);
const ERASE = new Set([0x08, 0x7f]);
const INTERRUPT = 0x03;
const ERASE_LINE = 0x15;

/** A prompt on the controlling terminal, or undefined when this process has none. */
export function terminalPrompt(): SecretPrompt | undefined {
  try {
    closeSync(openTerminal());
  } catch {
    return undefined;
  }
  return askInTurn;
}

let lastQuestion: Promise<unknown> = Promise.resolve();

/** Keys are opened concurrently, and a person answers one question at a time. */
function askInTurn(question: string): Promise<Secret> {
  const answer = lastQuestion.then(() => askOnTerminal(question));
  lastQuestion = answer.catch(() => undefined);
  return answer;
}

function askOnTerminal(question: string): Promise<Secret> {
  const fd = openTerminal();
  const terminal = new ReadStream(fd);
  terminal.setRawMode(true);
  writeSync(fd, `${printable(question)}: `);
  const typed = new TypedSecret();
  return new Promise<Secret>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new AppError('KEY_PIN', 'prompt: nothing was entered in time'));
    }, PROMPT_TIMEOUT_MS);
    terminal.on('data', (chunk: Buffer) => {
      try {
        if (typed.take(chunk)) {
          resolve(typed.secret());
        }
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      } finally {
        chunk.fill(0);
      }
    });
    terminal.on('error', reject);
    const onGone = (): void => {
      clearTimeout(timer);
      reject(new AppError('KEY_PIN', 'prompt: the terminal was closed'));
    };
    terminal.on('end', onGone).on('close', onGone);
  }).finally(() => {
    release(terminal, fd);
  });
}

/** Restores the terminal; errors of one that was closed are ignored. */
function release(terminal: ReadStream, fd: number): void {
  try {
    writeSync(fd, '\r\n');
    terminal.setRawMode(false);
  } catch {
    // closed meanwhile
  }
  terminal.destroy();
}

/** What has been typed so far, in a buffer that can be wiped. */
class TypedSecret {
  readonly #bytes = Buffer.alloc(MAX_SECRET_BYTES);
  #length = 0;

  /** Takes typed bytes; true once the line is finished. @throws AppError KEY_PIN */
  take(chunk: Buffer): boolean {
    for (const byte of chunk) {
      if (ENTER.has(byte)) {
        return true;
      }
      this.#takeByte(byte);
    }
    return false;
  }

  secret(): Secret {
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#bytes.fill(0);
    return new Secret(bytes);
  }

  #takeByte(byte: number): void {
    if (byte === INTERRUPT) {
      throw new Interrupted('SIGINT', 'prompt: interrupted');
    }
    if (byte === ERASE_LINE) {
      this.#length = 0;
    } else if (ERASE.has(byte)) {
      this.#eraseCharacter();
    } else if (this.#length === MAX_SECRET_BYTES) {
      throw new AppError('KEY_PIN', `prompt: more than ${MAX_SECRET_BYTES} bytes`);
    } else {
      this.#bytes[this.#length] = byte;
      this.#length += 1;
    }
  }

  /** One character back, which in UTF-8 is a byte and the continuation bytes behind it. */
  #eraseCharacter(): void {
    do {
      this.#length = Math.max(this.#length - 1, 0);
    } while (this.#length > 0 && ((this.#bytes[this.#length] ?? 0) & 0xc0) === 0x80);
  }
}
