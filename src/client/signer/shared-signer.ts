// One connection to the signer for a whole run, however many certificates it is for: a signer
// command that asks for a PIN asks once. Runs in claviger. Connects when a session first needs it,
// and again after the connection broke.

import { once } from 'node:events';
import type { AccountSigner } from '../../acme/account-signer.js';
import type { SignerConfig } from '../../config/client/config.js';
import { AppError } from '../../lib/errors.js';
import { openSigner, type SignerConnection } from './signer-connection.js';

interface SharedSignerOptions {
  readonly config: SignerConfig;
  /** Aborted when the whole run is to end. */
  readonly signal: AbortSignal;
  report(line: string): void;
  /** Takes one line for each action of the signer, with its duration. */
  trace(line: string): void;
}

export class SharedSigner {
  readonly #options: SharedSignerOptions;
  readonly #closing = new AbortController();
  #opening: Promise<SignerConnection> | undefined;

  constructor(options: SharedSignerOptions) {
    this.#options = options;
  }

  /**
   * The signer for one session: its calls end with the session's signal, and the connection stays
   * open for the next session.
   * @throws AppError as `openSigner`, or the signal's reason
   */
  async open(signal: AbortSignal): Promise<AccountSigner> {
    const connection = await this.#timed('signer: connection', () =>
      orAborted(this.#connect(), signal),
    );
    return {
      algorithm: connection.algorithm,
      thumbprint: connection.thumbprint,
      jwk: connection.jwk,
      keyId: connection.keyId,
      sign: (protectedPart, payloadPart) =>
        this.#timed('signer: signature', () =>
          orAborted(connection.sign(protectedPart, payloadPart), signal),
        ),
    };
  }

  /** Ends the connection, or the attempt at one. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError('CLIENT_SIGNER', 'signer: no longer needed'));
    const connection = await this.#opening?.catch(() => undefined);
    await connection?.close();
  }

  async #connect(): Promise<SignerConnection> {
    const current = await this.#opening?.catch(() => undefined);
    if (current?.isUsable === true) {
      return current;
    }
    await current?.close();
    const { config, signal } = this.#options;
    this.#report(`connecting to the signer (${describe(config)})`);
    this.#opening = openSigner({
      config,
      signal: AbortSignal.any([signal, this.#closing.signal]),
      report: (line) => {
        this.#report(line);
      },
    });
    return await this.#opening;
  }

  async #timed<T>(what: string, act: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let outcome = 'failed';
    try {
      const result = await act();
      outcome = 'done';
      return result;
    } finally {
      this.#options.trace(`${what}: ${outcome}, ${Math.round(performance.now() - started)} ms`);
    }
  }

  #report(line: string): void {
    this.#options.report(line);
  }
}

function describe(signer: SignerConfig): string {
  return signer.kind === 'socket' ? signer.path : signer.words.join(' ');
}

/** The promise's result; throws the signal's reason where that is aborted before. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined); // it may fail after the signal was aborted
  signal.throwIfAborted();
  const isDone = new AbortController();
  const aborted = once(signal, 'abort', { signal: isDone.signal });
  try {
    await Promise.race([promise, aborted]);
    signal.throwIfAborted();
    return await promise;
  } finally {
    aborted.catch(() => undefined); // rejected by the next line
    isDone.abort();
  }
}
