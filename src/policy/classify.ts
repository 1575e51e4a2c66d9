// Classifies a request as exactly one operation, by the shape of its header and payload. Pure;
// clavigerd and `clavigerd policy`. The client's choice of URL does not decide the operation: a CA
// names its paths freely, and `/acct/1`, `/acct/1?` and `/%61cct/1` may be one resource. A URL
// equal to the key ID only adds operations that need more permission.

import type { SigningInput } from '../jose/signing-input.js';
import { decodeBase64Url } from '../lib/base64url.js';
import { isAppError } from '../lib/errors.js';
import {
  isJsonObject,
  jsonMember,
  type JsonObject,
  type JsonValue,
} from '../lib/json/json-value.js';
import { parseCertificateNames } from '../x509/certificate-names.js';
import { parseCertificateRequest } from '../x509/certificate-request.js';
import type { ClassifiedRequest, Operation } from './operation.js';
import type { Identifier } from '../x509/identifier.js';
import { hasShape, type PayloadShape } from './payload-shapes.js';

type Row = readonly [PayloadShape, Operation];

/**
 * Requests with a `jwk` header and a nonce. The first row that fits counts: the stricter shape
 * comes before the one that includes it.
 */
const BY_JWK: readonly Row[] = [
  ['findAccount', 'find-account'],
  ['revokeCertificate', 'revoke-certificate'], // RFC 8555 §7.6: signed by the certificate's own key
  ['newAccount', 'new-account'],
];

/** Requests with a `kid` header and a nonce whose URL is the account URL itself. */
const BY_KID_TO_ACCOUNT: readonly Row[] = [
  ['deactivate', 'deactivate-account'],
  ['updateAccount', 'update-account'],
];

/**
 * Requests with a `kid` header and a nonce to any URL, which may be another spelling of the account
 * URL.
 */
const BY_KID: readonly Row[] = [
  ['answerChallenge', 'answer-challenge'],
  ['deactivate', 'deactivate-authorization'],
  ['updateAccount', 'update-account'],
  ['cancelOrder', 'cancel-order'],
  ['newOrder', 'new-order'],
  ['newAuthorization', 'new-authorization'],
  ['finalize', 'finalize'],
  ['revokeCertificate', 'revoke-certificate'],
  ['keyChange', 'key-change'],
];

/**
 * The operation a request is; undefined when it fits none, and then it is never signed. Names, CSR
 * and certificate are not read yet.
 */
export function classifyRequest(input: SigningInput): ClassifiedRequest | undefined {
  const operation = operationOf(input);
  return operation === undefined
    ? undefined
    : { operation, payload: input.payload, identifiers: [] };
}

/**
 * Reads the content of a request: its names, its CSR (without verifying the CSR's signature), or
 * why these cannot be read.
 */
export function readContent(request: ClassifiedRequest): ClassifiedRequest {
  return { ...request, ...contentOf(request) };
}

function operationOf({ header, payload }: SigningInput): Operation | undefined {
  if (header.nonce === undefined) {
    const isInner = header.jwk !== undefined && payload !== undefined;
    return isInner && hasShape(payload, 'keyChangeInner') ? 'key-change-inner' : undefined;
  }
  if (payload === undefined) {
    return header.kid === undefined ? undefined : 'read';
  }
  if (header.kid === undefined) {
    return firstFit(BY_JWK, payload);
  }
  const toAccount = header.url === header.kid;
  return (
    (toAccount ? firstFit(BY_KID_TO_ACCOUNT, payload) : undefined) ?? firstFit(BY_KID, payload)
  );
}

function firstFit(rows: readonly Row[], payload: JsonObject): Operation | undefined {
  return rows.find(([shape]) => hasShape(payload, shape))?.[1];
}

function contentOf({ operation, payload }: ClassifiedRequest): Partial<ClassifiedRequest> {
  switch (operation) {
    case 'new-order': {
      const list = jsonMember(payload ?? {}, 'identifiers');
      return { identifiers: Array.isArray(list) ? list.flatMap(identifierOf) : [] };
    }
    case 'new-authorization':
      return { identifiers: identifierOf(jsonMember(payload ?? {}, 'identifier')) };
    case 'finalize':
      return readDer(jsonMember(payload ?? {}, 'csr'), (der) => {
        const csr = parseCertificateRequest(der);
        return { csr, identifiers: csr.names };
      });
    case 'revoke-certificate':
      return readDer(jsonMember(payload ?? {}, 'certificate'), (der) => ({
        identifiers: parseCertificateNames(der),
      }));
    default:
      return {};
  }
}

/** What cannot be read is a `problem` and no error: whether it matters is the policy's decision. */
function readDer(
  encoded: JsonValue | undefined,
  read: (der: Buffer) => Partial<ClassifiedRequest>,
): Partial<ClassifiedRequest> {
  try {
    return read(decodeBase64Url(typeof encoded === 'string' ? encoded : ''));
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    return { problem: error.message };
  }
}

function identifierOf(value: JsonValue | undefined): readonly Identifier[] {
  if (!isJsonObject(value)) {
    return [];
  }
  const { type, value: name } = value;
  return typeof type === 'string' && typeof name === 'string' ? [{ type, value: name }] : [];
}
