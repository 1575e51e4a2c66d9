// Answers of the server from bytes to typed values, through a schema. Pure; runs in claviger.
// Unknown members are dropped, as RFC 8555 §7.1 requires; known ones must have the right type.

import * as v from 'valibot';
import { AppError } from '../../lib/errors.js';
import { parsePatientJson } from '../../lib/json/patient-json.js';
import { printable } from '../../lib/printable.js';
import type { HttpResponse } from './http.js';

/** Space, tab, line feed, carriage return (RFC 8259 §2). */
const JSON_BLANKS: readonly number[] = [0x20, 0x09, 0x0a, 0x0d];
const EMPTY_OBJECT = Buffer.from('{}');

/** JSON bytes as an unknown value, or undefined when they are none. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return parsePatientJson(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Parses the body of an answer that may have none: no bytes count as an object without members.
 * @throws AppError ACME_INVALID
 */
export function parseOptionalBody<TSchema extends v.GenericSchema>(
  schema: TSchema,
  response: HttpResponse,
  what: string,
): v.InferOutput<TSchema> {
  const isEmpty = response.body.every((byte) => JSON_BLANKS.includes(byte));
  return parseBody(schema, isEmpty ? { ...response, body: EMPTY_OBJECT } : response, what);
}

/**
 * Parses the body of an answer.
 * @param what the ACME object it should be, for the message
 * @throws AppError ACME_INVALID naming the first member that is wrong
 */
export function parseBody<TSchema extends v.GenericSchema>(
  schema: TSchema,
  response: HttpResponse,
  what: string,
): v.InferOutput<TSchema> {
  const result = v.safeParse(schema, decodeJson(response.body), { abortEarly: true });
  if (result.success) {
    return result.output;
  }
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const where = path === null ? what : `${what}: ${printable(path, 100)}`;
  throw new AppError('ACME_INVALID', `${where}: ${printable(issue.message, 200)}`);
}
