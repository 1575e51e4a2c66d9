// The certificate request, PKCS #10 (RFC 2986): our key, our names, nothing else. Client's master.

import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import type { Identifier } from '../acme/identifier.js';

/**
 * DER of a request for the identifiers, signed with the certificate's key. The subject is empty: the
 * names are in subjectAltName alone (RFC 8555 §7.4 allows it, and authorities no longer want a CN).
 */
export async function createCsr(
  privateKey: KeyObject,
  identifiers: readonly Identifier[],
): Promise<Uint8Array> {
  // Both are needed for a CSR only; @peculiar/x509 wants the metadata polyfill before itself.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = signingAlgorithm(privateKey);
  const { subtle } = webcrypto;
  const der = { format: 'der' } as const;
  const keys = {
    privateKey: await subtle.importKey(
      'pkcs8',
      privateKey.export({ ...der, type: 'pkcs8' }),
      algorithm,
      false,
      ['sign'],
    ),
    publicKey: await subtle.importKey(
      'spki',
      createPublicKey(privateKey).export({ ...der, type: 'spki' }),
      algorithm,
      true,
      ['verify'],
    ),
  };
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    {
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          identifiers.map(({ type, value }) => ({ type, value })),
        ),
      ],
    },
    webcrypto,
  );
  return new Uint8Array(request.rawData);
}

function signingAlgorithm(key: KeyObject): { name: string; hash: string; namedCurve?: string } {
  if (key.asymmetricKeyType === 'rsa') {
    return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  }
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
    : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
}
