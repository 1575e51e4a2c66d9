// Decides whether a request may be signed: first the checks that no configuration turns off, then
// the operations of the account's mode, then the named policy, which can only forbid more. Pure,
// with time as a parameter; clavigerd decides on each request here before it uses the key, and
// `clavigerd policy` tries requests. Everything in the request is the client's and is not trusted.

import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import type { ProtectedHeader, SigningInput } from '../jose/signing-input.js';
import type { JsonObject } from '../lib/json/json-value.js';
import { applyToContent, applyToOperation } from './apply-policy.js';
import type { Budget } from './budget.js';
import { classifyRequest, readContent } from './classify.js';
import type { NamedPolicy } from './named-policy.js';
import {
  KEY_ID_ONLY_OPERATIONS,
  partWithNames,
  type ClassifiedRequest,
  type Operation,
  type RequestPart,
} from './operation.js';
import { checkUrl, originOf } from './request-url.js';
import { denied, NO_RULE, type Verdict } from './verdict.js';

export interface PolicyContext {
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
  /** The account URL, where one is configured: then account management is not allowed. */
  readonly keyId: string | undefined;
  /** Allows `http://` URLs of loopback addresses, for test CAs. */
  readonly allowHttpOnLoopback: boolean;
  /** Undefined where the mode alone decides. */
  readonly named: NamedPolicy | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Decision {
  readonly verdict: Verdict;
  /**
   * Undefined when the request is no known operation, or was refused before its payload was
   * examined.
   */
  readonly request: ClassifiedRequest | undefined;
  /**
   * The part that was not examined, because a cheaper check had refused the request; undefined when
   * everything was read.
   */
  readonly unread: RequestPart | undefined;
  /** The budgets to charge (`chargesOf`) before an approved request is signed; else empty. */
  readonly budgets: readonly Budget[];
}

/**
 * Decides on one request, in order of cost: header, shape, operation, server and dates, names, last
 * the signature of a CSR. The first denial ends it. Never throws: an internal failure is the
 * verdict `failed`.
 */
export function decideRequest(input: SigningInput, context: PolicyContext): Decision {
  let request: ClassifiedRequest | undefined;
  let unread: RequestPart | undefined = 'payload';
  let verdict = NO_RULE;
  try {
    const problem = checkHeader(input.header, context);
    if (problem !== undefined) {
      return { verdict: problem, request, unread, budgets: [] };
    }
    request = classifyRequest(input);
    unread = request === undefined ? undefined : partWithNames(request.operation);
    verdict = decideUnread(input.header, request, context);
    if (request !== undefined && verdict.kind === 'approved') {
      request = readContent(request);
      unread = undefined;
      verdict = context.named === undefined ? verdict : applyToContent(context.named, request);
    }
  } catch (error) {
    verdict = { kind: 'failed', error };
  }
  const budgets = verdict.kind === 'approved' ? budgetsFor(request, context) : [];
  return { verdict, request, unread, budgets };
}

function budgetsFor(
  request: ClassifiedRequest | undefined,
  { named }: PolicyContext,
): readonly Budget[] {
  return named?.budgets.filter(({ operation }) => operation === request?.operation) ?? [];
}

/** The verdict on header and operation, before names are read. */
function decideUnread(
  header: ProtectedHeader,
  request: ClassifiedRequest | undefined,
  context: PolicyContext,
): Verdict {
  if (header.nonce === undefined && request?.operation !== 'key-change-inner') {
    return denied('nonce', 'nonce is missing');
  }
  if (request === undefined) {
    return denied('known-operation', 'the request is none of the known ACME operations');
  }
  const modeVerdict = decideByMode(header, request.operation, context.keyId);
  const { named: policy, now } = context;
  return modeVerdict.kind === 'approved' && policy !== undefined
    ? applyToOperation({ policy, request, header, now: now() })
    : modeVerdict;
}

/** The checks of the header that hold for every policy and operation: a denial, or undefined. */
function checkHeader(header: ProtectedHeader, context: PolicyContext): Verdict | undefined {
  if (header.alg !== context.algorithm) {
    return denied('algorithm', `alg is not ${context.algorithm}`);
  }
  if (header.jwk !== undefined && !isSameJwk(header.jwk, context.jwk)) {
    return denied('own-key', "jwk is not this signer's key");
  }
  const urlProblem = checkUrl(header.url, context.allowHttpOnLoopback);
  return urlProblem === undefined ? undefined : denied('url', urlProblem);
}

/** True for the same members with the same values; a JWK with more members is another one. */
function isSameJwk(theirs: JsonObject, ours: PublicJwk): boolean {
  const expected: readonly (readonly [string, string])[] = Object.entries(ours);
  return (
    Object.keys(theirs).length === expected.length &&
    expected.every(([name, value]) => theirs[name] === value)
  );
}

function decideByMode(
  header: ProtectedHeader,
  operation: Operation,
  keyId: string | undefined,
): Verdict {
  if (keyId === undefined) {
    return { kind: 'approved', rule: 'all-operations' };
  }
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
