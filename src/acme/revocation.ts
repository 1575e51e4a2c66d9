// Revokes a certificate, RFC 8555 §7.6, with the account's key. Runs in claviger.

import { encodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { openAccount } from './account.js';
import { isProblem, ServerProblem } from './problem.js';
import type { AcmeSession } from './session.js';
import { postAsAccount } from './transport/signed-post.js';

/** The CRLReason codes of RFC 5280 §5.3.1 a subscriber may give. */
export const REVOCATION_REASONS: ReadonlyMap<string, number> = new Map([
  ['unspecified', 0],
  ['keyCompromise', 1],
  ['affiliationChanged', 3],
  ['superseded', 4],
  ['cessationOfOperation', 5],
]);

/**
 * Revokes a certificate.
 * @param certificate DER
 * @returns false when it had been revoked already
 */
export async function revokeCertificate(
  session: AcmeSession,
  certificate: Uint8Array,
  reason: number | undefined,
): Promise<boolean> {
  const { revokeCert } = session.directory;
  if (revokeCert === undefined) {
    throw new AppError('ACME_UNSUPPORTED', 'revocation: the server does not offer it', {
      hint: 'ask the authority how certificates are revoked',
    });
  }
  const opened = await openAccount(session);
  try {
    await postAsAccount(opened, {
      url: revokeCert,
      payload: {
        certificate: encodeBase64Url(certificate),
        ...(reason === undefined ? {} : { reason }),
      },
      what: 'revocation',
      isRepeatable: true, // the second time the server answers alreadyRevoked
    });
    return true;
  } catch (error) {
    if (isProblem(error, 'alreadyRevoked')) {
      return false;
    }
    throw withRevocationHint(error);
  }
}

/**
 * The problems with which authorities refuse a certificate of another authority or account, RFC
 * 8555 §7.6.
 */
const OF_FOREIGN_CERTIFICATE = ['malformed', 'unauthorized'];

function withRevocationHint(error: unknown): unknown {
  const isForeign = OF_FOREIGN_CERTIFICATE.some((name) => isProblem(error, name));
  return error instanceof ServerProblem && error.hint === undefined && isForeign
    ? new ServerProblem('revocation', error, {
        hint: 'was the certificate issued by this --server, and to the account of this signer? only that account, or the key of the certificate itself, can revoke it',
      })
    : error;
}
