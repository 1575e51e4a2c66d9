// Failures of a token: as errors on both sides, and as what a reply of the token helper carries
// from one to the other. Runs in the token helper, which formats them, and in clavigerd, which
// parses them and does not trust them. Pure.

import * as v from 'valibot';
import { ERROR_CODES } from '../lib/error-codes.js';
import { AppError, messageOf, type AppErrorOptions } from '../lib/errors.js';

/** Longest message or hint of an error in a reply, in UTF-16 units. */
const MAX_ERROR_TEXT = 4096;
const MAX_RETURN_VALUE = 64;

export const errorResult = v.strictObject({
  kind: v.literal('error'),
  error: v.strictObject({
    code: v.picklist(ERROR_CODES.token),
    /** `CKR_...`, where a call into the module failed. */
    returnValue: v.optional(
      v.pipe(v.string(), v.maxLength(MAX_RETURN_VALUE), v.regex(/^CKR_\w+$/)),
    ),
    message: v.pipe(v.string(), v.maxLength(MAX_ERROR_TEXT)),
    /** One or more lines; a table of the tokens or keys that exist may be among them. */
    hint: v.optional(v.pipe(v.string(), v.maxLength(MAX_ERROR_TEXT))),
  }),
});

type ErrorResult = v.InferOutput<typeof errorResult>;
export type TokenErrorCode = (typeof ERROR_CODES.token)[number];

interface TokenErrorOptions extends AppErrorOptions {
  /** `CKR_...` */
  readonly returnValue?: string | undefined;
}

/** A failure of a token; where a call into the module failed, with what it returned. */
export class TokenError extends AppError {
  /** `CKR_...` */
  readonly returnValue: string | undefined;

  constructor(code: TokenErrorCode, message: string, options: TokenErrorOptions = {}) {
    super(code, message, options);
    this.returnValue = options.returnValue;
  }
}

/** `CKR_...`, where the error is of a call into the module that failed. */
export function returnValueOf(error: unknown): string | undefined {
  return error instanceof TokenError ? error.returnValue : undefined;
}

/** clavigerd: the error that a reply carries. */
export function errorOfResult({ error }: ErrorResult): TokenError {
  const { code, message, hint, returnValue } = error;
  return new TokenError(code, message, { hint, returnValue });
}

/** Token helper: any failure as a result, with texts cut to the length that a reply may have. */
export function formatErrorResult(failure: unknown): ErrorResult {
  const known = failure instanceof AppError ? failure : undefined;
  const code = ERROR_CODES.token.find((candidate) => candidate === known?.code) ?? 'TOKEN_FAILED';
  const message = cut(messageOf(failure));
  const hint = known?.hint === undefined ? undefined : cut(known.hint);
  return { kind: 'error', error: { code, message, hint, returnValue: returnValueOf(failure) } };
}

/** Never cuts through a surrogate pair: the JSON reader refuses half of one. */
function cut(text: string): string {
  const whole = text.replace(/\p{Surrogate}/gu, '\ufffd');
  return whole.slice(0, MAX_ERROR_TEXT).replace(/[\ud800-\udbff]$/, '');
}
