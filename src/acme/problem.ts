// Problem documents, with which a server explains an error: RFC 7807 and RFC 8555 §6.7. Pure; runs
// in claviger. RFC 8555 §6.7: clients SHOULD display "detail". All of it is foreign text, cut and
// escaped here.

import * as v from 'valibot';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { HttpResponse } from './transport/http.js';
import { decodeJson } from './transport/json.js';
import { retryAfterOf } from './transport/retry-after.js';

const ERROR_NAMESPACE = 'urn:ietf:params:acme:error:';
const MAX_SUBPROBLEMS = 100;

const text = v.pipe(
  v.string(),
  v.transform((value) => printable(value)),
);
const optionalText = v.fallback(v.optional(text), undefined);
const identifierSchema = v.object({ type: text, value: text });

const subproblemSchema = v.object({
  type: v.fallback(v.optional(text, 'about:blank'), 'about:blank'),
  detail: optionalText,
  identifier: v.fallback(v.optional(identifierSchema), undefined),
});

/** A problem document. Every member may be missing or nonsense: what is readable is kept. */
export const problemSchema = v.object({
  type: v.fallback(v.optional(text, 'about:blank'), 'about:blank'),
  title: optionalText,
  detail: optionalText,
  instance: optionalText,
  /** RFC 8555 §6.2: what a badSignatureAlgorithm answer lists. */
  algorithms: v.fallback(v.optional(v.array(text)), undefined),
  subproblems: v.fallback(v.optional(v.array(subproblemSchema)), undefined),
});

export type Problem = v.InferOutput<typeof problemSchema>;

/** What is known about a request beside its answer. */
interface RequestFacts {
  /**
   * True for a signer in key-ID-only mode: its account is fixed, and it cannot register one.
   */
  readonly hasFixedAccount?: boolean;
  /** The hint where the problem itself gives none. */
  readonly hint?: string | undefined;
}

/** An answer with an error status. */
interface ErrorAnswer {
  readonly problem: Problem;
  readonly status: number;
  /** What the server asks to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** A request the server answered with a problem. */
export class ServerProblem extends AppError implements ErrorAnswer {
  readonly problem: Problem;
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(
    what: string,
    { problem, status, retryAfterMs }: ErrorAnswer,
    facts: RequestFacts = {},
  ) {
    super('ACME_PROBLEM', `${what}: ${formatProblem(problem, status)}`, {
      hint: hintFor(problem, facts) ?? facts.hint,
    });
    this.problem = problem;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** True when the problem is the ACME error of that name (`badNonce`, ...). */
export function isProblem(error: unknown, name: string): error is ServerProblem {
  return error instanceof ServerProblem && error.problem.type === ERROR_NAMESPACE + name;
}

/**
 * The problem of an answer with an error status; one made of the status when the body holds none.
 */
export function parseProblem(response: HttpResponse): Problem {
  const result = v.safeParse(problemSchema, decodeJson(response.body));
  return result.success ? result.output : emptyProblem();
}

function emptyProblem(): Problem {
  return {
    type: 'about:blank',
    title: undefined,
    detail: undefined,
    instance: undefined,
    algorithms: undefined,
    subproblems: undefined,
  };
}

/**
 * The error of an answer with an error status.
 * @param now milliseconds since 1970
 */
export function problemOf(
  what: string,
  response: HttpResponse,
  now: number,
  facts: RequestFacts = {},
): ServerProblem {
  const { status } = response;
  const retryAfterMs = retryAfterOf(response, now);
  return new ServerProblem(what, { problem: parseProblem(response), status, retryAfterMs }, facts);
}

/** `unauthorized: detail`, and one indented line for each subproblem (RFC 8555 §6.7.1). */
export function formatProblem(problem: Problem, status?: number): string {
  const name = shortType(problem.type);
  const detail = problem.detail ?? problem.title;
  const head = [name, detail].filter((part) => part !== undefined && part !== '').join(': ');
  const lines = [head === '' ? `HTTP status ${status ?? 'unknown'}` : head];
  for (const sub of (problem.subproblems ?? []).slice(0, MAX_SUBPROBLEMS)) {
    const parts = [sub.identifier?.value, shortType(sub.type), sub.detail];
    lines.push(`  ${parts.filter((part) => part !== undefined).join(': ')}`);
  }
  return lines.join('\n');
}

function shortType(type: string): string | undefined {
  if (type === 'about:blank') {
    return undefined;
  }
  return type.startsWith(ERROR_NAMESPACE) ? type.slice(ERROR_NAMESPACE.length) : type;
}

/** In the detail of `unauthorized`: RFC 8555 has no type for a deactivated account. Hints alone. */
const OF_DEACTIVATED_ACCOUNT = /\bdeactivated\b/i;
/** In the detail of a failed challenge, where the type is not `dns`. For hints alone. */
const OF_DNS = /\b(?:NXDOMAIN|SERVFAIL|no such host|DNS problem|lookup|resolv\w+)\b/i;

/** What the user can do about a request that the server refused, as far as its type shows. */
export function hintFor(problem: Problem, facts: RequestFacts = {}): string | undefined {
  switch (shortType(problem.type)) {
    case 'accountDoesNotExist':
      return facts.hasFixedAccount === true
        ? 'the keyid of the signer is of no account here: correct keyid in its clavigerd.toml, or --server'
        : 'register the account key with this server: claviger account register --agree-tos';
    case 'badSignatureAlgorithm':
      return `use an account key of another type; the server takes ${problem.algorithms?.join(', ') ?? 'others'}`;
    case 'caa':
      return "the domain's CAA record does not allow this authority";
    case 'externalAccountRequired':
      return 'this authority wants an external account binding, which claviger does not do yet';
    case 'rateLimited':
      return 'wait before trying again: further tries may prolong the limit';
    case 'unauthorized':
      return OF_DEACTIVATED_ACCOUNT.test(problem.detail ?? '') ? DEACTIVATED_HINT : undefined;
    case 'userActionRequired':
      return `the authority asks you to visit ${problem.instance ?? 'its web site'}`;
    default:
      return undefined;
  }
}

/** RFC 8555 §7.3.6: a deactivation cannot be undone. */
export const DEACTIVATED_HINT =
  'a deactivated account does not come back: make another account key, and register that';

/**
 * What the user can do about a challenge that failed. Some types mean something else here than for
 * other requests.
 */
export function challengeHintFor(problem: Problem): string | undefined {
  const type = shortType(problem.type);
  if (type === 'dns' || OF_DNS.test(problem.detail ?? '')) {
    return 'the server could not resolve the name: check its public DNS records';
  }
  switch (type) {
    case 'connection':
      return 'the server could not connect: port 80 of the name must reach --listen or the web server of --webroot';
    case 'unauthorized':
    case 'incorrectResponse':
      return 'the server did not get the expected answer over http: does the name point to this machine?';
    default:
      return hintFor(problem);
  }
}
