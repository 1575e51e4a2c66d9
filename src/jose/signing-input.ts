// Parses a JWS signing input as ACME uses it, RFC 7515 §5.1 and RFC 8555 §6.2. Pure; clavigerd and
// `clavigerd policy`. The input is a client's and is not trusted. The daemon decides on what is
// parsed here and signs the same bytes, so the parser accepts one spelling only and repairs
// nothing.

import { decodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import {
  isJsonObject,
  jsonMember,
  type JsonObject,
  type JsonValue,
} from '../lib/json/json-value.js';
import { parseStrictJson } from '../lib/json/strict-json.js';
import { isNonce } from './nonce.js';

export interface ProtectedHeader {
  readonly alg: string;
  readonly url: string;
  /** Absent only in the inner object of a key change (RFC 8555 §7.3.5). */
  readonly nonce: string | undefined;
  /** Exactly one of `jwk` and `kid` is present; the members of `jwk` are not checked yet. */
  readonly jwk: JsonObject | undefined;
  readonly kid: string | undefined;
}

export interface SigningInput {
  /** `protected.payload` in ASCII: what is parsed, signed, verified and hashed. */
  readonly bytes: Buffer;
  readonly header: ProtectedHeader;
  /** Undefined for the empty payload of a POST-as-GET (RFC 8555 §6.3). */
  readonly payload: JsonObject | undefined;
}

const HEADER_MEMBERS: ReadonlySet<string> = new Set(['alg', 'url', 'nonce', 'jwk', 'kid']);
const DOT = 0x2e;

/**
 * Parses `BASE64URL(protected) "." BASE64URL(payload)`.
 * @throws AppError JOSE_SIGNING_INPUT whose message repeats nothing of the client's text
 */
export function parseSigningInput(bytes: Buffer): SigningInput {
  const dot = bytes.indexOf(DOT);
  if (dot <= 0) {
    throw malformed('protected header: missing');
  }
  const header = parseHeader(decodeObject(bytes.subarray(0, dot), 'protected header'));
  const payloadPart = bytes.subarray(dot + 1);
  const payload = payloadPart.length === 0 ? undefined : decodeObject(payloadPart, 'payload');
  return { bytes, header, payload };
}

/** The `url` of a header that was refused, only for the record of the refusal. */
export function peekUrl(bytes: Buffer): string | undefined {
  const dot = bytes.indexOf(DOT);
  try {
    const header = decodeObject(bytes.subarray(0, Math.max(dot, 0)), 'protected header');
    const url = jsonMember(header, 'url');
    return typeof url === 'string' ? url : undefined;
  } catch {
    return undefined;
  }
}

function decodeObject(part: Buffer, name: string): JsonObject {
  let value: JsonValue;
  try {
    // With latin1 each byte outside base64url is a character that the decoder refuses.
    value = parseStrictJson(decodeBase64Url(part.toString('latin1')));
  } catch (error) {
    throw malformed(`${name}: ${error instanceof AppError ? error.message : 'unreadable'}`, error);
  }
  if (!isJsonObject(value)) {
    throw malformed(`${name}: not a JSON object`);
  }
  return value;
}

function parseHeader(object: JsonObject): ProtectedHeader {
  // RFC 7515 §4.1.11 "crit" and RFC 7797 "b64" change what a signature means; anything else unknown
  // might.
  if (!Object.keys(object).every((name) => HEADER_MEMBERS.has(name))) {
    throw malformed('protected header: unexpected member');
  }
  const header = {
    alg: requiredText(object, 'alg'),
    url: requiredText(object, 'url'),
    nonce: optionalText(object, 'nonce'),
    jwk: optionalObject(object, 'jwk'),
    kid: optionalText(object, 'kid'),
  };
  if (header.nonce !== undefined && !isNonce(header.nonce)) {
    throw malformed('protected header: nonce is not base64url'); // RFC 8555 §6.5.2
  }
  if ((header.jwk === undefined) === (header.kid === undefined)) {
    throw malformed('protected header: needs exactly one of jwk and kid'); // RFC 8555 §6.2
  }
  return header;
}

function requiredText(object: JsonObject, name: string): string {
  const text = optionalText(object, name);
  if (text === undefined) {
    throw malformed(`protected header: ${name} is missing`);
  }
  return text;
}

function optionalText(object: JsonObject, name: string): string | undefined {
  const value = jsonMember(object, name);
  if (value === undefined || (typeof value === 'string' && value !== '')) {
    return value;
  }
  throw malformed(`protected header: ${name} is not a non-empty string`);
}

function optionalObject(object: JsonObject, name: string): JsonObject | undefined {
  const value = jsonMember(object, name);
  if (value === undefined || isJsonObject(value)) {
    return value;
  }
  throw malformed(`protected header: ${name} is not an object`);
}

function malformed(problem: string, cause?: unknown): AppError {
  return new AppError('JOSE_SIGNING_INPUT', problem, { cause });
}
