// The issued certificate in each of its chains, RFC 8555 §7.4.2. Runs in the client.
// Chains are hostile text until they are verified, which is the caller's part.

import { AppError, messageOf } from '../lib/errors.js';
import { linkTargets } from './transport/link-header.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './transport/signed-post.js';

/** Bytes of a PEM chain. Five certificates of 4096-bit RSA take 12 KiB. */
const MAX_CHAIN_BYTES = 256 * 1024;
/** Chains beside the first. */
const MAX_ALTERNATES = 10;

/** PEM of a chain, as the server sent it, and where the others are. */
interface Download {
  readonly pem: string;
  readonly alternates: readonly string[];
}

/**
 * Fetches the chain the server prefers, and, while more is asked for, each alternate one (`Link:
 * rel="alternate"`).
 * @throws AppError ACME_* when the first cannot be fetched; an alternate that cannot is told and
 *   passed over
 */
export async function* downloadChains(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
): AsyncGenerator<string, void> {
  const first = await download(session, accountUrl, url);
  yield first.pem;
  const others = new Set(first.alternates.filter((target) => target !== url.href));
  for (const target of [...others].slice(0, MAX_ALTERNATES)) {
    try {
      const alternate = parseServerUrl(target, session.directory.url, 'certificate: alternate');
      yield (await download(session, accountUrl, alternate)).pem;
    } catch (error) {
      if (!(error instanceof AppError) || !error.code.startsWith('ACME_')) {
        throw error;
      }
      session.report(`alternate chain: ${messageOf(error)}`);
    }
  }
}

async function download(session: AcmeSession, accountUrl: string, url: URL): Promise<Download> {
  const response = await postSigned(session, {
    url,
    payload: undefined,
    accountUrl,
    what: 'certificate',
    accept: 'application/pem-certificate-chain', // RFC 8555 §7.4.2
    mayLag: true,
  });
  if (response.body.length > MAX_CHAIN_BYTES) {
    throw new AppError('ACME_INVALID', `certificate: chain is over ${MAX_CHAIN_BYTES} bytes`);
  }
  const alternates = linkTargets(response.links, 'alternate', url);
  return { pem: response.body.toString('latin1'), alternates };
}
