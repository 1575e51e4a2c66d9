// The report of `clavigerd policy test` on a request: the decision the daemon would make. Pure.
// There is no key and no budget ledger here: unless the account's JWK is given, the algorithm and
// key in the request's header are assumed to be the account's.

import { isAlgorithm, type Algorithm } from '../../jose/algorithms.js';
import { algorithmOfJwk, parsePublicJwk, type PublicJwk } from '../../jose/public-jwk.js';
import {
  parseSigningInput,
  type ProtectedHeader,
  type SigningInput,
} from '../../jose/signing-input.js';
import { messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { chargesOf, type BudgetScope } from '../../policy/budget.js';
import { decideRequest, type Decision, type PolicyContext } from '../../policy/decide.js';
import type { RequestPart } from '../../policy/operation.js';
import { parseRequestLine } from './requests.js';

/** More than any line of the protocol can hold. */
const MAX_REPORT_CHARACTERS = 256 * 1024;

/** Replaces the reason that names one algorithm, where any would do. */
const NO_ALGORITHM = 'alg is no algorithm of an account key';

export interface PolicyTrial {
  /** The daemon's context without the key. */
  readonly context: Omit<PolicyContext, 'algorithm' | 'jwk'>;
  /** The account's public key, where it is known. */
  readonly jwk: PublicJwk | undefined;
  readonly scope: BudgetScope;
}

export interface RequestReport {
  readonly line: number;
  /** Absent when the request is none of the known operations. */
  readonly operation?: string;
  /** `dns:www.example.org` */
  readonly identifiers: readonly string[];
  /** The part that was not examined, because a cheaper check had refused the request. */
  readonly unread?: RequestPart;
  readonly verdict: 'allowed' | 'denied' | 'malformed' | 'failed';
  readonly rule?: string;
  readonly reason?: string;
  /** The budgets it would be charged to, as configured, each once for each counter. */
  readonly budgets: readonly string[];
}

/**
 * Decides on one line; undefined for an empty one. Never throws: a line that is no request is
 * malformed.
 */
export function reportOfLine(
  line: number,
  bytes: Buffer,
  trial: PolicyTrial,
): RequestReport | undefined {
  let input: SigningInput;
  try {
    const encoded = parseRequestLine(bytes);
    if (encoded === undefined) {
      return undefined;
    }
    input = parseSigningInput(encoded);
  } catch (error) {
    const reason = messageOf(error);
    return { line, identifiers: [], verdict: 'malformed', reason, budgets: [] };
  }
  const decision = decideRequest(input, { ...trial.context, ...keyOf(input.header, trial.jwk) });
  const report = reportOfDecision(decision, trial.scope);
  const isNoAlgorithm = report.rule === 'algorithm' && !isAlgorithm(input.header.alg);
  return { line, ...report, ...(isNoAlgorithm ? { reason: NO_ALGORITHM } : {}) };
}

/** The account's key: the given JWK, or what the header says, or a key that matches no header. */
function keyOf(
  header: ProtectedHeader,
  known: PublicJwk | undefined,
): Pick<PolicyContext, 'algorithm' | 'jwk'> {
  const jwk = known ?? jwkOf(header);
  if (jwk !== undefined) {
    return { algorithm: algorithmOfJwk(jwk), jwk };
  }
  const algorithm: Algorithm = isAlgorithm(header.alg) ? header.alg : 'ES256';
  return { algorithm, jwk: { crv: 'P-256', kty: 'EC', x: '', y: '' } };
}

function jwkOf(header: ProtectedHeader): PublicJwk | undefined {
  try {
    return header.jwk === undefined ? undefined : parsePublicJwk(header.jwk);
  } catch {
    return undefined;
  }
}

function reportOfDecision(
  { verdict, request, unread, budgets }: Decision,
  scope: BudgetScope,
): Omit<RequestReport, 'line'> {
  const about = {
    ...(request === undefined ? {} : { operation: request.operation }),
    identifiers: (request?.identifiers ?? []).map(({ type, value }) => `${type}:${value}`),
    ...(unread === undefined ? {} : { unread }),
  };
  switch (verdict.kind) {
    case 'approved': {
      const charges = request === undefined ? [] : chargesOf(budgets, request, scope);
      const { rule } = verdict;
      return { ...about, verdict: 'allowed', rule, budgets: charges.map(({ text }) => text) };
    }
    case 'denied': {
      const { rule, reason } = verdict;
      return { ...about, verdict: 'denied', rule, reason, budgets: [] };
    }
    case 'failed':
      return { ...about, verdict: 'failed', reason: messageOf(verdict.error), budgets: [] };
  }
}

/** `line 3: new-order dns:a.example.org: denied by web.identifiers: policy 'web' does not ...` */
export function formatRequestReport(report: RequestReport): string {
  const { line, operation, identifiers, verdict, rule, reason, budgets } = report;
  const subject = [operation ?? 'unknown operation', ...identifiers].join(' ');
  const decided = rule === undefined ? verdict : `${verdict} by ${rule}`;
  const counted = budgets.length === 0 ? [] : [`counts against ${formatBudgets(budgets)}`];
  const parts = [
    `line ${line}`,
    ...(verdict === 'malformed' ? [] : [subject]),
    decided,
    ...(reason === undefined ? [] : [reason]),
  ];
  return printable([parts.join(': '), ...counted].join('; '), MAX_REPORT_CHARACTERS);
}

/** `"50 new-order per 1d", "5 finalize per 1h per identifier" (2 times)` */
function formatBudgets(budgets: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const text of budgets) {
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts]
    .map(([text, count]) => `"${text}"${count === 1 ? '' : ` (${count} times)`}`)
    .join(', ');
}
