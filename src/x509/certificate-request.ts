// Reads a certificate signing request (CSR, PKCS #10, RFC 2986): its names and its key. Pure;
// clavigerd and `clavigerd policy`, for finalize requests. The CSR is the client's and is not
// trusted: whatever a CA might read differently, or copy into the certificate besides names and
// key, is refused.

import { TAG, contextTag, parseDer, type DerElement } from './der.js';
import { Fields, elementsOf, parseOid, refused } from './der-values.js';
import { withoutDuplicates } from './certificate-names.js';
import type { Identifier } from './identifier.js';
import { parseRequestExtensions } from './request-extensions.js';
import { assertOwnSignature } from './request-signature.js';
import { parseSubjectKey, type SubjectKey } from './subject-key.js';
import { parseRequestSubject } from './subject-names.js';

export interface CertificateRequest {
  /**
   * All common names and subjectAltNames as written in the CSR, each once; at least one. Types:
   * dns, ip (in text form), email, uri, directory, registered-id, other.
   */
  readonly names: readonly Identifier[];
  readonly key: SubjectKey;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly keyHash: string;
  /**
   * Verifies the CSR's own signature. That takes up to a millisecond, a hundred times as long as
   * reading the CSR.
   * @throws AppError POLICY_CSR when it is wrong, or of an algorithm that is weak or not the key's
   */
  readonly assertSignature: () => void;
}

const WHAT = 'csr';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/**
 * Reads a CSR; its own signature is verified when `assertSignature` is called.
 * @throws AppError POLICY_CSR when it is no CSR in DER, names nothing, or has subject attributes,
 *   attributes, extensions or keys other than those of a server's certificate
 */
export function parseCertificateRequest(der: Uint8Array): CertificateRequest {
  const request = new Fields(parseDer(der, WHAT), WHAT);
  const info = request.next(TAG.sequence);
  const algorithm = request.next(TAG.sequence);
  const signature = request.next(TAG.bitString);
  request.end();

  const fields = new Fields(info, WHAT);
  const version = fields.next(TAG.integer).content;
  if (version.length !== 1 || version[0] !== 0) {
    throw refused(WHAT, 'of an unknown version');
  }
  const subject = parseRequestSubject(fields.next(TAG.sequence));
  const { key, keyHash, importKey } = parseSubjectKey(fields.next(TAG.sequence));
  const alternatives = parseAttributes(fields.next(contextTag(0, 'constructed')));
  fields.end();

  const names = withoutDuplicates([...subject, ...alternatives]);
  if (names.length === 0) {
    throw refused(WHAT, 'names nothing');
  }
  const assertSignature = (): void => {
    assertOwnSignature({ info, algorithm, signature }, key, importKey());
  };
  return { names, key, keyHash, assertSignature };
}

/** The names in the one attribute a request may have, extensionRequest (RFC 2985 §5.4.2). */
function parseAttributes(attributes: DerElement): readonly Identifier[] {
  const [attribute, ...others] = attributes.children;
  if (attribute === undefined) {
    return [];
  }
  const fields = new Fields(attribute, 'csr attribute');
  const type = parseOid(fields.any(), 'csr attribute');
  if (type !== EXTENSION_REQUEST) {
    throw refused(WHAT, `attribute ${type} is not expected in a request`);
  }
  const [extensions, ...more] = elementsOf(fields.any(), TAG.set, 'csr attribute');
  fields.end();
  if (extensions === undefined || more.length > 0 || others.length > 0) {
    throw refused(WHAT, 'more than one attribute or list of extensions');
  }
  return parseRequestExtensions(extensions);
}
