// The closed list of what an ACME request can do: operations. Pure; clavigerd, `clavigerd policy`
// and `clavigerd audit`. A request that is none of them is never signed.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { JsonObject } from '../lib/json/json-value.js';
import type { CertificateRequest } from '../x509/certificate-request.js';
import type { Identifier } from '../x509/identifier.js';

export const OPERATIONS = [
  'read', // POST-as-GET, RFC 8555 §6.3
  'find-account', // §7.3.1
  'new-account', // §7.3
  'update-account', // §7.3.2
  'deactivate-account', // §7.3.6
  'key-change', // §7.3.5, outer object
  'key-change-inner', // §7.3.5, inner object, signed by the new key
  'new-order', // §7.4
  'new-authorization', // §7.4.1
  'answer-challenge', // §7.5.1
  'deactivate-authorization', // §7.5.2
  'finalize', // §7.4
  'revoke-certificate', // §7.6
  'cancel-order', // RFC 8739 §3.1.2
] as const;

export type Operation = (typeof OPERATIONS)[number];

/** The operations of key-ID-only mode: no account management. */
export const KEY_ID_ONLY_OPERATIONS: ReadonlySet<Operation> = new Set([
  'read',
  'new-order',
  'new-authorization',
  'answer-challenge',
  'finalize',
  'revoke-certificate',
  'cancel-order',
]);

/** The operations whose requests carry names: in the payload itself, in a CSR or a certificate. */
export const NAMING_OPERATIONS: ReadonlySet<Operation> = new Set(
  OPERATIONS.filter((operation) => partWithNames(operation) !== undefined),
);

/** @throws AppError POLICY_INVALID for a text that is no operation. */
export function parseOperation(text: string): Operation {
  if (!isOperation(text)) {
    throw new AppError('POLICY_INVALID', `operation: "${printable(text, 40)}" is not known`, {
      hint: `known are ${OPERATIONS.join(', ')}`,
    });
  }
  return text;
}

export function isOperation(text: string): text is Operation {
  const known: readonly string[] = OPERATIONS;
  return known.includes(text);
}

/** A request classified as one operation. `readContent` adds its names, CSR and problem. */
export interface ClassifiedRequest {
  readonly operation: Operation;
  readonly payload: JsonObject | undefined;
  /**
   * The names in the order, the CSR or the certificate, as written there; empty for other
   * operations, and until they are read.
   */
  readonly identifiers: readonly Identifier[];
  /** The CSR of a finalize, when it could be read. */
  readonly csr?: CertificateRequest | undefined;
  /** Why the CSR of a finalize or the certificate of a revocation could not be read. */
  readonly problem?: string | undefined;
}

/** A part of a request that is not examined when a cheaper check refuses the request. */
export type RequestPart = 'payload' | 'names' | 'csr' | 'certificate';

/** The part that holds a request's names; undefined for an operation that carries none. */
export function partWithNames(operation: Operation): RequestPart | undefined {
  switch (operation) {
    case 'new-order':
    case 'new-authorization':
      return 'names';
    case 'finalize':
      return 'csr';
    case 'revoke-certificate':
      return 'certificate';
    default:
      return undefined;
  }
}
