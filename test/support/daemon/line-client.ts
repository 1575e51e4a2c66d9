// A client of the signing daemon that knows nothing but lines, to say what a well-behaved one would
// not. Used by test processes only; every read has a clock.

import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';

const READ_TIMEOUT_MS = 20_000;

/** What arrived on a connection, line by line. */
export class LineClient {
  readonly #output: Writable;
  #received = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(input: Readable, output: Writable) {
    this.#output = output;
    input.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    const onEnd = (): void => {
      this.#ended = true;
      this.#wake();
    };
    input.on('end', onEnd).on('close', onEnd).on('error', onEnd);
    // A daemon that closes while we write is an outcome the reader sees, not an error of the test.
    output.on('error', onEnd);
  }

  /** The next line without its CR LF, or undefined when the daemon closed the connection. */
  async readLine(timeoutMs = READ_TIMEOUT_MS): Promise<string | undefined> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const end = this.#received.indexOf('\r\n');
      if (end !== -1) {
        const line = this.#received.slice(0, end);
        this.#received = this.#received.slice(end + 2);
        return line;
      }
      if (this.#ended) {
        return undefined;
      }
      await this.#changed(deadline - Date.now());
    }
  }

  /** Reads the greeting: its first line, and the public key as JSON. */
  async readGreeting(): Promise<{ greeting: string; jwk: string }> {
    const greeting = await this.readLine();
    const jwk = await this.readLine();
    if (greeting === undefined || jwk === undefined) {
      throw new Error('the daemon closed the connection before its greeting');
    }
    return { greeting, jwk };
  }

  /** Writes bytes as they are: the line ending is the caller's. */
  write(bytes: string | Uint8Array): void {
    this.#output.write(bytes);
  }

  /** Sends one line and gives the reply, undefined when the daemon closed instead. */
  async ask(line: string): Promise<string | undefined> {
    this.write(`${line}\r\n`);
    return await this.readLine();
  }

  close(): void {
    this.#output.end();
    this.#output.destroy();
  }

  #changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          reject(
            new Error(`nothing came in time; received so far: ${JSON.stringify(this.#received)}`),
          );
        },
        Math.max(timeoutMs, 0),
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Connects to a daemon's socket. */
export function connectLineClient(path: string): Promise<LineClient> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new LineClient(socket, socket));
    });
  });
}
