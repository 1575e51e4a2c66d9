// One client talking to one ACME server for one account: what every request needs. No I/O of its own.

import type { AccountSigner } from './account-signer.js';
import type { Directory } from './directory.js';
import { fetchDirectory } from './directory.js';
import type { AcmeHttp } from './http.js';
import { NoncePool } from './nonces.js';
import type { Timing } from './timing.js';

export interface AcmeSession {
  readonly http: AcmeHttp;
  readonly directory: Directory;
  readonly nonces: NoncePool;
  readonly signer: AccountSigner;
  readonly timing: Timing;
  /** Milliseconds since 1970 when the whole operation must be done. */
  readonly deadlineMs: number;
  /** Tells the user what is being done or waited for, one line. */
  report(line: string): void;
}

export interface SessionOptions {
  readonly directoryUrl: URL;
  readonly http: AcmeHttp;
  readonly signer: AccountSigner;
  readonly timing: Timing;
  readonly deadlineMs: number;
  report(line: string): void;
}

/** Reads the directory. Nothing is signed before the first request that needs it. */
export async function openSession(options: SessionOptions): Promise<AcmeSession> {
  const directory = await fetchDirectory(options.http, options.directoryUrl);
  return {
    http: options.http,
    directory,
    nonces: new NoncePool(options.http, directory.newNonce),
    signer: options.signer,
    timing: options.timing,
    deadlineMs: options.deadlineMs,
    report: (line) => {
      options.report(line);
    },
  };
}
