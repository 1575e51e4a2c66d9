// The issued certificate in each of its chains, RFC 8555 §7.4.2. Runs in claviger.
// Chains are untrusted text: the caller verifies them.

import { AppError, isErrorOf, messageOf } from '../lib/errors.js';
import { linkTargets } from './transport/link-header.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession } from './session.js';
import { postAsAccount } from './transport/signed-post.js';

/** Bytes of a PEM chain. Five certificates of 4096-bit RSA take 12 KiB. */
const MAX_CHAIN_BYTES = 256 * 1024;
/** Chains beside the first. */
const MAX_ALTERNATES = 10;

/** PEM of a chain, as the server sent it, and the URLs of the others. */
interface Download {
  readonly pem: string;
  readonly alternates: readonly string[];
}

/**
 * Fetches the chain the server prefers, and then, as the caller asks for more, each alternate one
 * (`Link: rel="alternate"`).
 * @throws AppError ACME_* when the first cannot be fetched; an alternate that cannot is reported
 *   and skipped
 */
export async function* downloadChains(
  session: AccountSession,
  url: URL,
): AsyncGenerator<string, void> {
  const first = await download(session, url);
  yield first.pem;
  const others = new Set(first.alternates.filter((target) => target !== url.href));
  for (const target of [...others].slice(0, MAX_ALTERNATES)) {
    try {
      const alternate = parseServerUrl(target, session.directory.url, 'certificate: alternate');
      yield (await download(session, alternate)).pem;
    } catch (error) {
      if (!isErrorOf(error, 'acme')) {
        throw error;
      }
      session.report(`alternate chain: ${messageOf(error)}`);
    }
  }
}

async function download(session: AccountSession, url: URL): Promise<Download> {
  const response = await postAsAccount(session, {
    url,
    payload: undefined,
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
