// Which one operation a request is, by the shape of header and payload. Pure.
// The URL never tells the operation: a CA names its paths freely, and `/acct/1`, `/acct/1?` and
// `/%61cct/1` may be one resource. Only where it equals the key ID it makes the reading stricter.

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
 * With a `jwk` header and a nonce. The order tells: what asks for more comes after what asks for
 * less.
 */
const BY_JWK: readonly Row[] = [
  ['findAccount', 'find-account'],
  ['revokeCertificate', 'revoke-certificate'], // RFC 8555 §7.6: signed by the certificate's own key
  ['newAccount', 'new-account'],
];

/** With a `kid` header and a nonce, to the account URL itself. */
const BY_KID_TO_ACCOUNT: readonly Row[] = [
  ['deactivate', 'deactivate-account'],
  ['updateAccount', 'update-account'],
];

/**
 * With a `kid` header and a nonce, to anything else: an alias of the account URL may be among it.
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
 * The operation a request is, or undefined when it fits none: such a request is never signed.
 * Nothing else is read.
 */
export function classifyRequest(input: SigningInput): ClassifiedRequest | undefined {
  const operation = operationOf(input);
  return operation === undefined
    ? undefined
    : { operation, payload: input.payload, identifiers: [] };
}

/**
 * The same with what it is about: its names, its CSR without a look at the signature, or why these
 * cannot be read.
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

/** Not to understand a CSR or a certificate is for the policy to judge; there may be none. */
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
