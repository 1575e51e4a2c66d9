// The payloads of ACME requests, as a table of shapes. Pure; clavigerd and `clavigerd policy`. A
// payload has a shape when it has all required members, no member beyond those listed, and each
// member passes its check. So an object made of two payloads has no shape, and is never signed.

import { parsePublicJwk } from '../jose/public-jwk.js';
import { isBase64Url } from '../lib/base64url.js';
import {
  isJsonObject,
  jsonMember,
  type JsonObject,
  type JsonValue,
} from '../lib/json/json-value.js';

type Check = (value: JsonValue) => boolean;

interface Shape {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isFlag: Check = (value) => typeof value === 'boolean';
const isBytes: Check = (value) => typeof value === 'string' && value !== '' && isBase64Url(value);
const isTextList: Check = (value) => Array.isArray(value) && value.every(isText);
const isSeconds: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** CRLReason, RFC 5280 §5.3.1 */
const isReason: Check = (value) => isSeconds(value) && Number(value) <= 10;
const is =
  (expected: string): Check =>
  (value) =>
    value === expected;

const isIdentifier: Check = (value) =>
  isJsonObject(value) && isOfShape(value, { required: { type: isText, value: isText } });
const isIdentifierList: Check = (value) =>
  Array.isArray(value) && value.length > 0 && value.every(isIdentifier);

/** RFC 7515 §7.2.2: the flattened JWS that travels inside key-change and externalAccountBinding. */
const FLATTENED_JWS: Shape = {
  required: { protected: isBytes, payload: isBytes, signature: isBytes },
};
const isFlattenedJws: Check = (value) => isJsonObject(value) && isOfShape(value, FLATTENED_JWS);

/** RFC 8739 §3.1.1 */
const AUTO_RENEWAL: Shape = {
  required: { 'end-date': isText, lifetime: isSeconds },
  optional: {
    'start-date': isText,
    'lifetime-adjust': isSeconds,
    'allow-certificate-get': isFlag,
  },
};
const isAutoRenewal: Check = (value) => isJsonObject(value) && isOfShape(value, AUTO_RENEWAL);

const isPublicJwk: Check = (value) => {
  try {
    parsePublicJwk(value);
    return true;
  } catch {
    return false;
  }
};

const PAYLOAD_SHAPES = {
  findAccount: { required: { onlyReturnExisting: (value) => value === true } },
  newAccount: {
    required: {},
    optional: {
      contact: isTextList,
      termsOfServiceAgreed: isFlag,
      onlyReturnExisting: isFlag,
      externalAccountBinding: isFlattenedJws,
    },
  },
  updateAccount: {
    required: {},
    optional: { contact: isTextList, termsOfServiceAgreed: isFlag, onlyReturnExisting: isFlag },
  },
  deactivate: { required: { status: is('deactivated') } },
  keyChange: FLATTENED_JWS,
  keyChangeInner: { required: { account: isText, oldKey: isPublicJwk } },
  newOrder: {
    required: { identifiers: isIdentifierList },
    optional: {
      notBefore: isText,
      notAfter: isText,
      profile: isText, // draft-ietf-acme-profiles
      replaces: isText, // RFC 9773 §5
      'auto-renewal': isAutoRenewal,
    },
  },
  newAuthorization: { required: { identifier: isIdentifier } },
  answerChallenge: { required: {} },
  finalize: { required: { csr: isBytes } },
  revokeCertificate: { required: { certificate: isBytes }, optional: { reason: isReason } },
  cancelOrder: { required: { status: is('canceled') } },
} as const satisfies Record<string, Shape>;

export type PayloadShape = keyof typeof PAYLOAD_SHAPES;

/** True when the payload has exactly that shape. */
export function hasShape(payload: JsonObject, name: PayloadShape): boolean {
  return isOfShape(payload, PAYLOAD_SHAPES[name]);
}

function isOfShape(object: JsonObject, shape: Shape): boolean {
  const checks: Readonly<Record<string, Check>> = { ...shape.optional, ...shape.required };
  const allKnown = Object.entries(object).every(
    ([name, value]) => Object.hasOwn(checks, name) && checks[name]?.(value) === true,
  );
  return (
    allKnown && Object.keys(shape.required).every((name) => jsonMember(object, name) !== undefined)
  );
}
