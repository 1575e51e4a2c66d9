// Parses the settings of `[policy.NAME]` in clavigerd.toml. Pure; clavigerd and `clavigerd policy`.
// A policy lists what is allowed. Where `operations` or `identifiers` is absent nothing is allowed;
// where `profiles`, `validity` or `allow-wildcards` is absent only orders without profile, dates
// and wildcards are; the other settings restrict nothing where absent. `deny` overrides all of
// them. A policy can only forbid more than the account's mode does.

import { isAppError, messageOf } from '../lib/errors.js';
import { budgetKey, parseBudget, type Budget } from './budget.js';
import { parseKeyPin, parseKeyType, type KeyTypeRule } from './csr-keys.js';
import { parseDuration } from '../lib/duration.js';
import { parseNamePattern, type NamePattern } from './name-pattern.js';
import { parseOperation, type Operation } from './operation.js';
import type { PolicySettings, ValiditySettings } from './policy-settings.js';
import { parseServer } from './request-url.js';
import type { ValidityLimits } from './validity.js';

export interface NamedPolicy {
  readonly name: string;
  readonly operations: ReadonlySet<Operation>;
  readonly identifiers: readonly NamePattern[];
  readonly allowWildcards: boolean;
  /** Undefined: any number. */
  readonly maxIdentifiers: number | undefined;
  /** SHA-256 of SPKIs, lower-case hexadecimal; undefined: any key. */
  readonly csrKeys: ReadonlySet<string> | undefined;
  readonly csrKeyTypes: readonly KeyTypeRule[] | undefined;
  /** The empty text stands for an order that names no profile. */
  readonly profiles: ReadonlySet<string>;
  /** Undefined: no dates. */
  readonly validity: ValidityLimits | undefined;
  /** Origins; undefined: any. */
  readonly servers: ReadonlySet<string> | undefined;
  readonly budgets: readonly Budget[];
  readonly deny: Denials;
}

interface Denials {
  readonly operations: ReadonlySet<Operation>;
  readonly identifiers: readonly NamePattern[];
  readonly csrKeys: ReadonlySet<string>;
  readonly servers: ReadonlySet<string>;
}

export interface PolicyProblem {
  /** `policy.web.identifiers.0` */
  readonly key: string;
  readonly problem: string;
}

type Report = (key: string, problem: string) => void;

/** The name is part of rules (`web.deny.identifiers`), of logs and of the counters of budgets. */
const POLICY_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** An order of more names than any CA takes needs no restriction. */
const MAX_MAX_IDENTIFIERS = 10_000;

/**
 * Reads the settings of one policy.
 * @param onProblem called with each thing that is wrong with them
 * @returns the policy; one that allows nothing when there was any problem
 */
export function parseNamedPolicy(
  name: string,
  settings: PolicySettings,
  onProblem: (problem: PolicyProblem) => void,
): NamedPolicy {
  const problems: PolicyProblem[] = [];
  const report: Report = (key, problem) => {
    problems.push({ key: key === '' ? `policy.${name}` : `policy.${name}.${key}`, problem });
  };
  if (!POLICY_NAME.test(name)) {
    report('', 'the name of a policy is up to 64 letters, digits, - and _');
  }
  const policy = readSettings(name, settings, report);
  reportIneffective(policy, settings, report);
  problems.forEach(onProblem);
  return problems.length === 0 ? policy : { ...policy, operations: new Set() };
}

function readSettings(name: string, settings: PolicySettings, report: Report): NamedPolicy {
  const list = <T>(
    key: string,
    texts: readonly string[] | undefined,
    parse: (text: string) => T,
  ) => (texts === undefined ? undefined : readList(key, texts, parse, report));
  const set = <T>(...args: Parameters<typeof list<T>>) => setOf(list(...args));
  const { deny = {} } = settings;
  return {
    name,
    operations: set('operations', settings.operations, parseOperation) ?? new Set(),
    identifiers: list('identifiers', settings.identifiers, parseNamePattern) ?? [],
    allowWildcards: settings['allow-wildcards'] ?? false,
    maxIdentifiers: readMaxIdentifiers(settings['max-identifiers'], report),
    csrKeys: set('csr-keys', settings['csr-keys'], parseKeyPin),
    csrKeyTypes: list('csr-key-types', settings['csr-key-types'], parseKeyType),
    profiles: new Set(settings.profiles ?? ['']),
    validity: readValidity(settings.validity, report),
    servers: set('servers', settings.servers, parseServer),
    budgets: readBudgets(name, settings.budgets ?? [], report),
    deny: {
      operations: set('deny.operations', deny.operations, parseOperation) ?? new Set(),
      identifiers: list('deny.identifiers', deny.identifiers, parseNamePattern) ?? [],
      csrKeys: set('deny.csr-keys', deny['csr-keys'], parseKeyPin) ?? new Set(),
      servers: set('deny.servers', deny.servers, parseServer) ?? new Set(),
    },
  };
}

/** Reports settings that restrict nothing, though somebody may rely on them. */
function reportIneffective(
  policy: NamedPolicy,
  { budgets = [] }: PolicySettings,
  report: Report,
): void {
  const { operations, deny } = policy;
  const allows = (operation: Operation): boolean =>
    operations.has(operation) && !deny.operations.has(operation);
  // Sent to another spelling of the account URL, the one request is the other to the CA, and the
  // two have the same shape.
  if (allows('deactivate-authorization') && !allows('deactivate-account')) {
    report(
      deny.operations.has('deactivate-account') ? 'deny.operations' : 'operations',
      'deactivate-authorization cannot be allowed without deactivate-account: by another spelling of its URL it deactivates the account',
    );
  }
  for (const { text, operation } of policy.budgets.filter(
    (each) => !operations.has(each.operation),
  )) {
    report(
      `budgets.${budgets.indexOf(text)}`,
      `counts ${operation}, which operations does not list`,
    );
  }
}

/** The entries that can be parsed; the others are reported with their place in the list. */
function readList<T>(
  key: string,
  texts: readonly string[],
  parse: (text: string) => T,
  report: Report,
): readonly T[] {
  return texts.flatMap((text, index) => {
    try {
      return [parse(text)];
    } catch (error) {
      const hint = isAppError(error) ? error.hint : undefined;
      report(`${key}.${index}`, `${messageOf(error)}${hint === undefined ? '' : ` (${hint})`}`);
      return [];
    }
  });
}

function setOf<T>(list: readonly T[] | undefined): ReadonlySet<T> | undefined {
  return list === undefined ? undefined : new Set(list);
}

function readMaxIdentifiers(value: number | undefined, report: Report): number | undefined {
  const isSound = Number.isInteger(value) && Number(value) >= 1;
  if (value !== undefined && (!isSound || value > MAX_MAX_IDENTIFIERS)) {
    report('max-identifiers', `is not a whole number from 1 to ${MAX_MAX_IDENTIFIERS}`);
  }
  return value;
}

function readValidity(
  settings: ValiditySettings | undefined,
  report: Report,
): ValidityLimits | undefined {
  if (settings === undefined) {
    return undefined;
  }
  if (settings.max === undefined && settings.ahead === undefined) {
    report('validity', 'names neither max nor ahead');
  }
  const duration = (key: string, text: string | undefined): number | undefined => {
    const ms = text === undefined ? undefined : parseDuration(text);
    if (text !== undefined && ms === undefined) {
      report(`validity.${key}`, 'is not a time such as 90d, 1h, 30m or 10s');
    }
    return ms;
  };
  return { maxMs: duration('max', settings.max), aheadMs: duration('ahead', settings.ahead) ?? 0 };
}

function readBudgets(name: string, texts: readonly string[], report: Report): readonly Budget[] {
  const budgets = readList('budgets', texts, parseBudget, report);
  const keys = budgets.map(
    (budget) =>
      `${budgetKey(budget, { account: '', policy: name, listener: '.' })} ${budget.perIdentifier}`,
  );
  if (new Set(keys).size < keys.length) {
    report('budgets', 'two of them count the same: leave the lower one');
  }
  return budgets;
}
