// The client side of an Assuan dialogue with a child process: sends commands, reads response lines.
// Runs in clavigerd and its commands, for pinentry. Responses are not trusted: lines are bounded,
// error texts are escaped; buffers that held the secret are wiped.

import type { Readable, Writable } from 'node:stream';
import { printable } from '../../lib/printable.js';
import { Secret } from '../../lib/secret.js';
import { WipedOutput } from './wiped-output.js';

/** Assuan manual §2.2: 1000 bytes and the line end. */
const MAX_LINE_BYTES = 1002;
const MAX_ANSWER_BYTES = 2048;
const NEWLINE = 0x0a;
const PERCENT = 0x25;

/** The members of a child process that are needed. */
interface AssuanServer {
  readonly stdin: Writable;
  readonly stdout: Readable;
  once(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'close', listener: (code: number | null, signal: string | null) => void): unknown;
}

export class AssuanClient {
  readonly #input: Writable;
  readonly #line = Buffer.alloc(MAX_LINE_BYTES);
  #lineLength = 0;
  #data = new WipedOutput(MAX_ANSWER_BYTES);
  #failure: Error | undefined;
  #ready: string | undefined;
  #wake: () => void = () => undefined;

  constructor(child: AssuanServer) {
    this.#input = child.stdin;
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    child.once('error', (error) => {
      this.fail(new Error(`cannot be started: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      this.fail(new Error(`ended with ${signal ?? `exit status ${code ?? 'unknown'}`}`));
    });
  }

  /** Makes this wait for a response and every later one fail. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** Reads the first response, which the server sends unasked. */
  async greeting(): Promise<void> {
    await this.#answer();
  }

  /** Sends a command with an argument. */
  async ask(command: string, argument: string): Promise<void> {
    this.#input.write(`${command} ${escapeArgument(argument)}\n`);
    await this.#answer();
  }

  /** Sends a command; the data of its response is the secret. */
  async askSecret(command: string): Promise<Secret> {
    this.#input.write(`${command}\n`);
    await this.#answer();
    const encoded = this.#data.take();
    this.#data.wipe();
    const secret = decodeData(encoded);
    encoded.fill(0);
    return secret;
  }

  async #answer(): Promise<void> {
    while (this.#ready === undefined && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const answer = this.#ready;
    this.#ready = undefined;
    if (answer === undefined) {
      throw this.#failure ?? new Error('no answer');
    }
    if (!/^OK(?: |$)/.test(answer)) {
      throw new Error(printable(answer.replace(/^ERR \d+ ?/, ''), 200) || 'refused');
    }
  }

  #onData(chunk: Buffer): void {
    for (const byte of chunk) {
      if (this.#failure !== undefined) {
        break; // of a secret that is too long a part must not count as the whole
      }
      if (byte === NEWLINE) {
        this.#onLine(this.#line.subarray(0, this.#lineLength));
        this.#line.fill(0);
        this.#lineLength = 0;
      } else if (this.#lineLength === MAX_LINE_BYTES) {
        this.fail(new Error('sent a line that is too long'));
      } else {
        this.#line[this.#lineLength] = byte;
        this.#lineLength += 1;
      }
    }
    chunk.fill(0);
  }

  #onLine(line: Buffer): void {
    const word = line.subarray(0, 2).toString('latin1');
    if (word === 'D ') {
      if (!this.#data.push(Buffer.from(line.subarray(2)))) {
        this.fail(new Error('the answer is too long'));
      }
    } else if (word === 'OK' || word === 'ER') {
      this.#ready = line.toString('utf8');
      this.#wake();
    }
    // Status lines (S) and comments (#) need no answer.
  }
}

/** Assuan manual §2.3: percent signs and line ends are percent-encoded. */
function escapeArgument(text: string): string {
  return text.replace(/[%\r\n]/g, (character) => encodeURIComponent(character));
}

function decodeData(encoded: Buffer): Secret {
  const decoded = Buffer.alloc(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++, length++) {
    const byte = encoded[at] ?? 0;
    const number = byte === PERCENT ? hexByte(encoded, at + 1) : undefined;
    decoded[length] = number ?? byte;
    at += number === undefined ? 0 : 2;
  }
  const secret = new Secret(Buffer.from(decoded.subarray(0, length)));
  decoded.fill(0);
  return secret;
}

function hexByte(bytes: Buffer, at: number): number | undefined {
  const digits = bytes.toString('latin1', at, at + 2);
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? parseInt(digits, 16) : undefined;
}
