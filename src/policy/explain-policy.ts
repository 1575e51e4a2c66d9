// Describes what a named policy permits, in sentences for an administrator. Pure; `clavigerd policy
// explain`. The restrictions of key-ID-only mode are included, as the daemon applies both. Nothing
// is decided here: what counts is policy/decide.ts.

import type { Budget } from './budget.js';
import { MIN_RSA_BITS } from './csr-keys.js';
import { formatDuration } from '../lib/duration.js';
import type { NamePattern } from './name-pattern.js';
import type { NamedPolicy } from './named-policy.js';
import { KEY_ID_ONLY_OPERATIONS, NAMING_OPERATIONS, OPERATIONS } from './operation.js';
import { originOf } from './request-url.js';
import { CLOCK_TOLERANCE_MS } from './validity.js';

interface ExplainedAccount {
  /** The account URL where one is configured: key-ID-only mode. */
  readonly keyId: string | undefined;
  /** The name of the account. */
  readonly account: string;
}

/** Sentences, the most important first. */
export function explainPolicy(policy: NamedPolicy, account: ExplainedAccount): string[] {
  const refusedServer = refusedServerOf(policy, account);
  const allowed = OPERATIONS.filter((operation) => isAllowed(policy, account, operation));
  if (allowed.length === 0 || refusedServer !== undefined) {
    return [
      `Policy '${policy.name}' allows nothing.`,
      ...when(
        refusedServer !== undefined,
        `Account '${account.account}' is one of ${refusedServer ?? ''}, a server it does not allow.`,
      ),
      ...explainRefusedOperations(policy, account),
    ];
  }
  const has = (...operations: readonly string[]): boolean =>
    allowed.some((operation) => operations.includes(operation));
  return [
    `Policy '${policy.name}' allows ${and(allowed)}.`,
    ...explainRefusedOperations(policy, account),
    ...explainServers(policy, account),
    ...(allowed.some((operation) => NAMING_OPERATIONS.has(operation)) ? explainNames(policy) : []),
    ...(has('finalize') ? explainCsrKeys(policy) : []),
    ...(has('new-order') ? [...explainProfiles(policy), ...explainValidity(policy)] : []),
    ...policy.budgets
      .filter(({ operation }) => has(operation))
      .map((each) => explainBudget(each, account)),
  ];
}

function isAllowed(
  { operations, deny }: NamedPolicy,
  { keyId }: ExplainedAccount,
  operation: (typeof OPERATIONS)[number],
): boolean {
  return (
    operations.has(operation) &&
    !deny.operations.has(operation) &&
    (keyId === undefined || KEY_ID_ONLY_OPERATIONS.has(operation))
  );
}

/** The server of the account URL, where the policy refuses it: then no request can be allowed. */
function refusedServerOf(
  { servers, deny }: NamedPolicy,
  { keyId }: ExplainedAccount,
): string | undefined {
  const origin = keyId === undefined ? undefined : originOf(keyId);
  const isRefused =
    origin !== undefined && (deny.servers.has(origin) || servers?.has(origin) === false);
  return isRefused ? origin : undefined;
}

function explainRefusedOperations(
  { operations, deny }: NamedPolicy,
  { keyId, account }: ExplainedAccount,
): string[] {
  const listed = OPERATIONS.filter((operation) => operations.has(operation));
  const denied = listed.filter((operation) => deny.operations.has(operation));
  const managing = listed.filter(
    (operation) => !deny.operations.has(operation) && !KEY_ID_ONLY_OPERATIONS.has(operation),
  );
  return [
    ...when(denied.length > 0, `It lists ${and(denied)}, but denies it.`),
    ...when(
      keyId !== undefined && managing.length > 0,
      `It lists ${and(managing)}, but account '${account}' has a key ID, which takes account management away.`,
    ),
  ];
}

function explainServers({ servers, deny }: NamedPolicy, { keyId }: ExplainedAccount): string[] {
  return [
    ...when(servers !== undefined, `Servers: only ${or([...(servers ?? [])])}.`),
    ...when(deny.servers.size > 0, `Servers: not ${or([...deny.servers])}.`),
    ...when(keyId !== undefined, `Requests name the account ${keyId ?? ''} and go to its server.`),
  ];
}

function explainNames(policy: NamedPolicy): string[] {
  const { identifiers, deny, allowWildcards, maxIdentifiers } = policy;
  if (identifiers.length === 0) {
    return ['No name is allowed, so every request that carries one is refused.'];
  }
  return [
    `Names in orders, CSRs and certificates to revoke: only ${or(identifiers.map(describePattern))}.`,
    ...when(
      deny.identifiers.length > 0,
      `Never ${or(deny.identifiers.map(describePattern))}, nor a wildcard that would cover a single name of these.`,
    ),
    allowWildcards ? 'Wildcards are allowed where a pattern allows them.' : 'No wildcards.',
    ...when(
      maxIdentifiers !== undefined,
      `At most ${maxIdentifiers ?? 0} name${maxIdentifiers === 1 ? '' : 's'} in a request.`,
    ),
  ];
}

function describePattern(pattern: NamePattern): string {
  switch (pattern.kind) {
    case 'name':
      return pattern.base;
    case 'one-below':
      return `names one label below ${pattern.base}`;
    case 'any-below':
      return `names at any depth below ${pattern.base}`;
    case 'any':
      return 'any DNS name';
    case 'prefix':
      return pattern.hostBits === 0n
        ? `the address ${pattern.text}`
        : `addresses in ${pattern.text}`;
  }
}

function explainCsrKeys({ csrKeys, csrKeyTypes, deny }: NamedPolicy): string[] {
  const types = csrKeyTypes?.map(({ type, minBits }) =>
    type === 'rsa' ? `RSA of at least ${minBits} bits` : type,
  );
  return [
    `Keys in CSRs: ${types === undefined ? `any type, RSA of at least ${MIN_RSA_BITS} bits` : `only ${or(types)}`}.`,
    ...when(
      csrKeys !== undefined,
      `Keys in CSRs: only those with the SHA-256 ${or([...(csrKeys ?? [])])}.`,
    ),
    ...when(deny.csrKeys.size > 0, `Keys in CSRs: not ${or([...deny.csrKeys])}.`),
  ];
}

function explainProfiles({ profiles }: NamedPolicy): string[] {
  const named = [...profiles].filter((profile) => profile !== '');
  const texts = [...when(profiles.has(''), 'no profile'), ...named];
  return [`Orders name ${texts.length === 0 ? 'a profile, but none is allowed' : or(texts)}.`];
}

function explainValidity({ validity }: NamedPolicy): string[] {
  if (validity === undefined) {
    return ['Orders name no dates.'];
  }
  const { maxMs, aheadMs } = validity;
  return [
    maxMs === undefined
      ? 'Orders name no notAfter.'
      : `Orders may name a notAfter, at most ${formatDuration(maxMs)} after their notBefore, or after now.`,
    aheadMs === 0
      ? `Orders may name a notBefore within ${formatDuration(CLOCK_TOLERANCE_MS)} of now.`
      : `Orders may name a notBefore, at most ${formatDuration(aheadMs)} ahead.`,
  ];
}

function explainBudget(budget: Budget, { account }: ExplainedAccount): string {
  const { limit, operation, windowMs, perIdentifier, perListener } = budget;
  const scope = perListener
    ? 'each listener for itself'
    : `all listeners of account '${account}' with this policy together`;
  const each = perIdentifier ? ' for each name' : '';
  return `At most ${limit} ${operation}${each} in any ${formatDuration(windowMs)}, ${scope}.`;
}

function when(condition: boolean, sentence: string): string[] {
  return condition ? [sentence] : [];
}

function and(words: readonly string[]): string {
  return joined(words, 'and');
}

function or(words: readonly string[]): string {
  return words.length === 0 ? 'none at all' : joined(words, 'or');
}

function joined(words: readonly string[], last: string): string {
  const [end = '', ...start] = words.toReversed();
  return start.length === 0 ? end : `${start.toReversed().join(', ')} ${last} ${end}`;
}
