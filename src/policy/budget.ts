// Budgets: how many requests of an operation may be signed in a period. Pure; clavigerd and
// `clavigerd policy`. This file parses budgets and names the counters ("keys") of a request; the
// counting, and keeping counts across restarts, is in budgets/. A counter's key must depend neither
// on how a client spells a name nor on the limit, which an administrator may change.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { parseDuration } from '../lib/duration.js';
import { canonicalText, readName } from './names.js';
import {
  isOperation,
  NAMING_OPERATIONS,
  type ClassifiedRequest,
  type Operation,
} from './operation.js';
import type { Identifier } from '../x509/identifier.js';

export interface Budget {
  /** As configured. */
  readonly text: string;
  readonly limit: number;
  readonly operation: Operation;
  readonly windowMs: number;
  readonly perIdentifier: boolean;
  /** False: all listeners of the account that use the policy share it. */
  readonly perListener: boolean;
}

/** One count that a request adds to. */
export interface Charge {
  /** What is counted; stable across restarts and changes of the limit. */
  readonly key: string;
  readonly limit: number;
  /** The window slides: at most `limit` in any `windowMs` milliseconds. */
  readonly windowMs: number;
  /** The budget as configured, for people. */
  readonly text: string;
}

export interface BudgetScope {
  readonly account: string;
  readonly policy: string;
  readonly listener: string;
}

/** Each counted request takes memory until it leaves the window. */
const MAX_LIMIT = 100_000;
const MAX_WINDOW = '400d';
const MAX_WINDOW_MS = parseDuration(MAX_WINDOW) ?? 0;

const BUDGET =
  /^(?<limit>[0-9]{1,9}) +(?<operation>[a-z-]+) +per +(?<window>[0-9a-z]+)(?<identifier> +per +identifier)?(?<listener> +per +listener)?$/;

/**
 * Parses `50 new-order per 1d`, `5 finalize per 1h per identifier`, `9 read per 10s per listener`.
 * @throws AppError POLICY_INVALID
 */
export function parseBudget(text: string): Budget {
  const groups = BUDGET.exec(text)?.groups;
  const limit = Number(groups?.['limit']);
  const operation = groups?.['operation'] ?? '';
  const windowMs = parseDuration(groups?.['window'] ?? '');
  const perIdentifier = groups?.['identifier'] !== undefined;
  if (groups === undefined) {
    throw invalid(text, 'is not of the form "50 new-order per 1d"');
  }
  if (limit < 1 || limit > MAX_LIMIT) {
    throw invalid(text, `does not count up to between 1 and ${MAX_LIMIT}`);
  }
  if (!isOperation(operation)) {
    throw invalid(text, 'names no known operation');
  }
  if (windowMs === undefined || windowMs > MAX_WINDOW_MS) {
    throw invalid(text, `names no time such as 10s, 30m, 1h or 7d, of at most ${MAX_WINDOW}`);
  }
  if (perIdentifier && !NAMING_OPERATIONS.has(operation)) {
    throw invalid(text, `counts by identifier, but ${operation} carries none`);
  }
  const perListener = groups['listener'] !== undefined;
  return { text, limit, operation, windowMs, perIdentifier, perListener };
}

/**
 * The counters that a request adds one to. A budget per identifier has one counter for each name of
 * the request, and none when the request has no name.
 */
export function chargesOf(
  budgets: readonly Budget[],
  request: ClassifiedRequest,
  scope: BudgetScope,
): readonly Charge[] {
  return budgets
    .filter(({ operation }) => operation === request.operation)
    .flatMap((budget) => {
      const { limit, windowMs, text } = budget;
      const key = budgetKey(budget, scope);
      const keys = budget.perIdentifier
        ? spellings(request.identifiers).map((name) => `${key}/${name}`)
        : [key];
      return keys.map((each) => ({ key: each, limit, windowMs, text }));
    });
}

/**
 * `account/policy/listener/operation/window[/identifier]`, each part percent-encoded; the listener
 * is empty where all listeners share the budget. Two budgets of one policy with the same key would
 * add to one counter twice, so `parseNamedPolicy` refuses them.
 */
export function budgetKey(budget: Budget, scope: BudgetScope): string {
  const listener = budget.perListener ? scope.listener : '';
  const seconds = `${budget.windowMs / 1000}s`;
  return [scope.account, scope.policy, listener, budget.operation, seconds]
    .map(encodeURIComponent)
    .join('/');
}

/** The part `account/policy` of a counter's key. */
export function policyOfKey(key: string): string {
  return key.split('/', 2).join('/');
}

function spellings(identifiers: readonly Identifier[]): readonly string[] {
  const spelled = identifiers.map((identifier) => {
    const reading = readName(identifier);
    // A policy refuses names that cannot be read; without a policy they are counted as written.
    return 'name' in reading
      ? canonicalText(reading.name)
      : `${encodeURIComponent(identifier.type)}:${encodeURIComponent(identifier.value)}`;
  });
  return [...new Set(spelled)];
}

function invalid(text: string, problem: string): AppError {
  return new AppError('POLICY_INVALID', `budget: "${printable(text, 80)}" ${problem}`);
}
