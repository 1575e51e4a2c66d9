// Whether a request may be signed: the checks that hold whatever the policy, then the mode's list of
// operations. Pure: no clock, no file. The daemon asks it for each request, before the key is touched.

import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import type { ProtectedHeader, SigningInput } from '../jose/signing-input.js';
import type { JsonObject } from '../lib/strict-json.js';
import { classifyRequest } from './classify.js';
import { KEY_ID_ONLY_OPERATIONS, type ClassifiedRequest, type Operation } from './operation.js';
import { checkUrl, originOf } from './request-url.js';
import { denied, NO_RULE, type Verdict } from './verdict.js';

export interface PolicyContext {
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
  /** The account URL; configured, it takes account management away. */
  readonly keyId: string | undefined;
  /** Lets `http://` URLs of loopback addresses pass, for test CAs. */
  readonly allowHttpOnLoopback: boolean;
}

export interface Decision {
  readonly verdict: Verdict;
  /** Undefined when the request is none of the known operations. */
  readonly request: ClassifiedRequest | undefined;
}

/** Decides on one request. Never throws: an internal failure is the verdict `failed`. */
export function decideRequest(input: SigningInput, context: PolicyContext): Decision {
  let request: ClassifiedRequest | undefined;
  let verdict = NO_RULE;
  try {
    request = classifyRequest(input);
    verdict = decide(input.header, request, context);
  } catch (error) {
    verdict = { kind: 'failed', error };
  }
  return { verdict, request };
}

function decide(
  header: ProtectedHeader,
  request: ClassifiedRequest | undefined,
  context: PolicyContext,
): Verdict {
  const headerVerdict = checkHeader(header, request, context);
  if (headerVerdict !== undefined) {
    return headerVerdict;
  }
  if (request === undefined) {
    return denied('known-operation', 'the request is none of the known ACME operations');
  }
  if (context.keyId === undefined) {
    return { kind: 'approved', rule: 'all-operations' };
  }
  return decideKeyIdOnly(header, request.operation, context.keyId);
}

/** The checks that hold whatever the policy: a denial, or undefined. */
function checkHeader(
  header: ProtectedHeader,
  request: ClassifiedRequest | undefined,
  context: PolicyContext,
): Verdict | undefined {
  if (header.alg !== context.algorithm) {
    return denied('algorithm', `alg is not ${context.algorithm}`);
  }
  if (header.jwk !== undefined && !isSameJwk(header.jwk, context.jwk)) {
    return denied('own-key', "jwk is not this signer's key");
  }
  if (header.nonce === undefined && request?.operation !== 'key-change-inner') {
    return denied('nonce', 'nonce is missing');
  }
  const urlProblem = checkUrl(header.url, context.allowHttpOnLoopback);
  return urlProblem === undefined ? undefined : denied('url', urlProblem);
}

/** Same members with the same values; a JWK with anything more is another one. */
function isSameJwk(theirs: JsonObject, ours: PublicJwk): boolean {
  const expected: readonly (readonly [string, string])[] = Object.entries(ours);
  return (
    Object.keys(theirs).length === expected.length &&
    expected.every(([name, value]) => theirs[name] === value)
  );
}

function decideKeyIdOnly(header: ProtectedHeader, operation: Operation, keyId: string): Verdict {
  const rule = 'key-id-only';
  if (header.kid === undefined) {
    return denied(rule, `${operation} with a jwk is not allowed in key-ID-only mode`);
  }
  if (header.kid !== keyId) {
    return denied(rule, 'kid is not the configured key ID');
  }
  if (originOf(header.url) !== originOf(keyId)) {
    return denied(rule, "url is of another origin than the key ID's");
  }
  return KEY_ID_ONLY_OPERATIONS.has(operation)
    ? { kind: 'approved', rule }
    : denied(rule, `${operation} is not allowed in key-ID-only mode`);
}
