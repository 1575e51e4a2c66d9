// The known payloads of ACME requests, as data. Pure.
// A payload is of a shape when it has all required members, no member that is not named, and each
// member passes its check: an object of two shapes at once is of none.

import { isBase64Url } from '../lib/base64url.js';
import { isJsonObject, jsonMember, type JsonObject, type JsonValue } from '../lib/strict-json.js';

type Check = (value: JsonValue) => boolean;

interface Shape {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isFlag: Check = (value) => typeof value === 'boolean';
const isBytes: Check = (value) => typeof value === 'string' && value !== '' && isBase64Url(value);
const isObject: Check = (value) => isJsonObject(value);
const isTextList: Check = (value) => Array.isArray(value) && value.every(isText);
const isReason: Check = (value) => Number.isInteger(value) && Number(value) >= 0;
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

export const PAYLOAD_SHAPES = {
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
  keyChangeInner: { required: { account: isText, oldKey: isObject } },
  newOrder: {
    required: { identifiers: isIdentifierList },
    optional: {
      notBefore: isText,
      notAfter: isText,
      profile: isText, // draft-ietf-acme-profiles
      replaces: isText, // RFC 9773 §5
      'auto-renewal': isObject, // RFC 8739 §3.1.1
    },
  },
  newAuthorization: { required: { identifier: isIdentifier } },
  answerChallenge: { required: {} },
  finalize: { required: { csr: isBytes } },
  revokeCertificate: { required: { certificate: isBytes }, optional: { reason: isReason } },
  cancelOrder: { required: { status: is('canceled') } },
} as const satisfies Record<string, Shape>;

export type PayloadShape = keyof typeof PAYLOAD_SHAPES;

/** True when the payload is exactly of that shape. */
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
