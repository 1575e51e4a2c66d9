// Parses the requests that `clavigerd policy test` reads, one on each line: encoded as a client
// sends it, or decoded. Pure. A decoded request is encoded, so that both are parsed by the same
// code as in the daemon; missing members are not filled in.

import { encodeBase64Url } from '../../lib/base64url.js';
import { AppError, messageOf } from '../../lib/errors.js';
import {
  isJsonObject,
  jsonMember,
  type JsonObject,
  type JsonValue,
} from '../../lib/json/json-value.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import { MAX_LINE_BYTES } from '../../protocol/limits.js';

/** Longer than what a line of the protocol can hold when it is decoded. */
export const MAX_REQUEST_BYTES = 2 * MAX_LINE_BYTES;

const OPEN_BRACE = 0x7b;
const CR = 0x0d;
const MEMBERS: ReadonlySet<string> = new Set(['protected', 'payload']);

/**
 * The signing input of a line: `BASE64URL(protected) "." BASE64URL(payload)` as it stands, or of
 * `{"protected":{...},"payload":{...}}`, where a payload of null or "" is that of a POST-as-GET.
 * @returns undefined for an empty line.
 * @throws AppError JOSE_SIGNING_INPUT when a decoded request is none, or too long for the protocol.
 */
export function parseRequestLine(line: Buffer): Buffer | undefined {
  const bytes = line.at(-1) === CR ? line.subarray(0, -1) : line;
  if (bytes.length === 0) {
    return undefined;
  }
  const input = bytes[0] === OPEN_BRACE ? encodeRequest(bytes) : bytes;
  if (input.length > MAX_LINE_BYTES) {
    throw unusable(`longer than the ${MAX_LINE_BYTES} bytes a line may have`);
  }
  return input;
}

function encodeRequest(bytes: Buffer): Buffer {
  const request = parseObject(bytes);
  const header = jsonMember(request, 'protected');
  const payload = jsonMember(request, 'payload');
  if (!Object.keys(request).every((name) => MEMBERS.has(name))) {
    throw unusable('a decoded request has the members protected and payload, and no other');
  }
  if (!isJsonObject(header)) {
    throw unusable('protected is not an object');
  }
  if (payload === undefined) {
    throw unusable('payload is missing (null is that of a POST-as-GET)');
  }
  const isEmpty = payload === null || payload === '';
  return Buffer.from(`${encode(header)}.${isEmpty ? '' : encode(payload)}`, 'latin1');
}

function parseObject(bytes: Buffer): JsonObject {
  let value: JsonValue;
  try {
    value = parseStrictJson(bytes);
  } catch (error) {
    throw unusable(messageOf(error), error);
  }
  if (!isJsonObject(value)) {
    throw unusable('not a JSON object');
  }
  return value;
}

function encode(value: JsonValue): string {
  return encodeBase64Url(Buffer.from(JSON.stringify(value), 'utf8'));
}

function unusable(problem: string, cause?: unknown): AppError {
  return new AppError('JOSE_SIGNING_INPUT', `request: ${problem}`, { cause });
}
