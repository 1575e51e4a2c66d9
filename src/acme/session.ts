// What every request to one ACME server needs: its directory, nonces, the account's signer. Runs in
// claviger; does no I/O of its own but reading the directory.

import type { AccountSigner } from './account-signer.js';
import type { Directory } from './directory.js';
import { fetchDirectory } from './directory.js';
import type { AcmeHttp } from './transport/http.js';
import { NoncePool } from './transport/nonces.js';
import type { WaitContext } from './transport/retries.js';

/** What the registration of an account says, RFC 8555 §7.3. */
export interface Registration {
  readonly contacts: readonly string[];
  readonly agreeTermsOfService: boolean;
}

export interface AcmeSession extends WaitContext {
  readonly http: Pick<AcmeHttp, 'request'>;
  readonly directory: Directory;
  readonly nonces: NoncePool;
  readonly signer: AccountSigner;
  /** Set where a key that the server does not know may be registered without a command for it. */
  readonly registration?: Registration | undefined;
}

/** A session whose account is known: requests name it by `kid` (RFC 8555 §6.2). */
export interface AccountSession extends AcmeSession {
  /** Verbatim as the server wrote it: servers compare it as a string. */
  readonly accountUrl: string;
}

interface SessionOptions extends WaitContext {
  readonly directoryUrl: URL;
  readonly http: Pick<AcmeHttp, 'request'>;
  /** May still be connecting: the directory and a first nonce are fetched meanwhile. */
  readonly signer: AccountSigner | Promise<AccountSigner>;
}

/** Reads the directory. Nothing is signed before the first request that needs a signature. */
export async function openSession(options: SessionOptions): Promise<AcmeSession> {
  const { http, timing, deadlineMs } = options;
  const context: WaitContext = {
    timing,
    deadlineMs,
    report: (line) => {
      options.report(line);
    },
  };
  const openServer = async (): Promise<Pick<AcmeSession, 'directory' | 'nonces'>> => {
    const directory = await fetchDirectory(http, options.directoryUrl, context);
    const nonces = new NoncePool(http, directory.newNonce, context);
    nonces.prefetch();
    return { directory, nonces };
  };
  const [server, signer] = await Promise.all([openServer(), options.signer]);
  return { ...context, http, ...server, signer };
}
