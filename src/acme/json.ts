// Server answers from bytes to typed values, through a schema. Pure; runs in the client.
// Unknown members are dropped, as RFC 8555 §7.1 asks for; known ones must have their right type.

import * as v from 'valibot';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { HttpResponse } from './http.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON bytes as an unknown value, or undefined when they are none. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    return undefined;
  }
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
