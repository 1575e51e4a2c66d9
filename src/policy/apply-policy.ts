// Whether a named policy allows a request that the mode allows: all settings have to agree, asked
// in order of what the answer costs, since a client may send any number of requests that it knows
// to be refused. Pure; daemon and clavigerd policy. What the request says comes from the client; it
// is shown escaped.

import type { ProtectedHeader } from '../jose/signing-input.js';
import { isAppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { jsonMember } from '../lib/json/json-value.js';
import { allowsKey, formatKey, MIN_RSA_BITS } from './csr-keys.js';
import { allowsName, deniesName } from './name-pattern.js';
import type { NamedPolicy } from './named-policy.js';
import { canonicalText, readName, type Name } from './names.js';
import { NAMING_OPERATIONS, type ClassifiedRequest } from './operation.js';
import { originOf } from './request-url.js';
import { validityProblem } from './validity.js';
import { denied, type Verdict } from './verdict.js';

export interface PolicyQuestion {
  readonly policy: NamedPolicy;
  readonly request: ClassifiedRequest;
  readonly header: ProtectedHeader;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What the names of a request and its CSR are judged by. */
type ContentQuestion = Pick<PolicyQuestion, 'policy' | 'request'>;

/** Why the request is not allowed, to follow `policy 'web'`; undefined when it is. */
type Check<Question> = (question: Question) => string | undefined;

/**
 * The settings in the order they are asked, the cheap ones first; each is the last part of the rule
 * that denies.
 */
const OPERATION_CHECKS: readonly (readonly [string, Check<PolicyQuestion>])[] = [
  [
    'deny.operations',
    (asked) => checkOperation(asked, (own) => !own.deny.operations.has(asked.request.operation)),
  ],
  [
    'operations',
    (asked) => checkOperation(asked, (own) => own.operations.has(asked.request.operation)),
  ],
  ['deny.servers', (asked) => checkServer(asked, (own, origin) => !own.deny.servers.has(origin))],
  ['servers', (asked) => checkServer(asked, (own, origin) => own.servers?.has(origin) ?? true)],
  ['profiles', checkProfile],
  ['validity', checkValidity],
];

const CONTENT_CHECKS: readonly (readonly [string, Check<ContentQuestion>])[] = [
  ['csr', checkCsr],
  ['certificate', checkCertificate],
  ['identifiers', checkPresence],
  ['max-identifiers', checkCount],
  ['deny.csr-keys', (asked) => checkKey(asked, (own, hash) => !own.deny.csrKeys.has(hash))],
  ['csr-keys', (asked) => checkKey(asked, (own, hash) => own.csrKeys?.has(hash) ?? true)],
  ['csr-key-types', checkKeyType],
];

/**
 * What the policy says of operation and header, before names are read: approved, or the setting
 * that refuses.
 */
export function applyToOperation(question: PolicyQuestion): Verdict {
  return firstDenial(OPERATION_CHECKS, question) ?? approvedBy(question.policy);
}

/**
 * What it says of the names, the key and at last the signature, once `readContent` has read them.
 */
export function applyToContent(policy: NamedPolicy, request: ClassifiedRequest): Verdict {
  const question = { policy, request };
  return (
    firstDenial(CONTENT_CHECKS, question) ??
    judgeNames(question) ??
    firstDenial([['csr', checkSignature]], question) ??
    approvedBy(policy)
  );
}

function approvedBy({ name }: NamedPolicy): Verdict {
  return { kind: 'approved', rule: name };
}

function firstDenial<Question extends ContentQuestion>(
  checks: readonly (readonly [string, Check<Question>])[],
  question: Question,
): Verdict | undefined {
  for (const [setting, check] of checks) {
    const problem = check(question);
    if (problem !== undefined) {
      return deniedBy(question.policy, setting, problem);
    }
  }
  return undefined;
}

function deniedBy({ name }: NamedPolicy, setting: string, problem: string): Verdict {
  return { ...denied(`${name}.${setting}`, `policy '${name}' ${problem}`), policy: name };
}

function checkOperation(
  { policy, request }: PolicyQuestion,
  isAllowed: (policy: NamedPolicy) => boolean,
): string | undefined {
  return isAllowed(policy) ? undefined : `does not allow ${request.operation}`;
}

function checkServer(
  { policy, header }: PolicyQuestion,
  isAllowed: (policy: NamedPolicy, origin: string) => boolean,
): string | undefined {
  const origin = originOf(header.url) ?? '';
  return isAllowed(policy, origin) ? undefined : `does not allow the server ${shown(origin)}`;
}

function checkCsr({ request }: ContentQuestion): string | undefined {
  return request.operation === 'finalize' && request.csr === undefined
    ? csrProblem(request.problem)
    : undefined;
}

/** It proves that whoever made the CSR had its key; it costs more than all the rest. */
function checkSignature({ request: { csr } }: ContentQuestion): string | undefined {
  try {
    csr?.assertSignature();
    return undefined;
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    return csrProblem(error.message);
  }
}

function csrProblem(problem: string | undefined): string {
  return `does not allow a finalize whose CSR it does not understand: ${shown(problem)}`;
}

function checkCertificate({ request }: ContentQuestion): string | undefined {
  return request.operation === 'revoke-certificate' && request.problem !== undefined
    ? `does not allow revoke-certificate of what it does not understand: ${shown(request.problem)}`
    : undefined;
}

function checkPresence({
  request: { operation, identifiers },
}: ContentQuestion): string | undefined {
  return NAMING_OPERATIONS.has(operation) && identifiers.length === 0
    ? `does not allow ${operation} without a name`
    : undefined;
}

/**
 * A name twice, as the common name and subjectAltName of a CSR, is one name. Counted no further
 * than needed.
 */
function checkCount({ policy, request: { identifiers } }: ContentQuestion): string | undefined {
  const { maxIdentifiers = Infinity } = policy;
  const spelled = new Set<string>();
  for (const each of identifiers.length > maxIdentifiers ? identifiers : []) {
    const reading = readName(each);
    spelled.add('name' in reading ? canonicalText(reading.name) : each.value);
    if (spelled.size > maxIdentifiers) {
      const names = maxIdentifiers === 1 ? '1 name' : `${maxIdentifiers} names`;
      return `allows at most ${names} in a request, and this has more`;
    }
  }
  return undefined;
}

/**
 * One name after the other, each once however often it stands there: the first that is not allowed
 * ends it.
 */
function judgeNames({ policy, request }: ContentQuestion): Verdict | undefined {
  const judged = new Set<string>();
  for (const each of request.identifiers) {
    const refusedBy = (setting: string, why = ''): Verdict =>
      deniedBy(
        policy,
        setting,
        `does not allow ${request.operation} for ${shown(each.value)}${why}`,
      );
    const reading = readName(each);
    if (!('name' in reading)) {
      return refusedBy('identifiers', `: ${reading.problem}`);
    }
    const { name } = reading;
    const spelling = canonicalText(name);
    const setting = judged.has(spelling) ? undefined : settingAgainst(policy, name);
    if (setting !== undefined) {
      return refusedBy(setting, setting === 'allow-wildcards' ? ': it allows no wildcards' : '');
    }
    judged.add(spelling);
  }
  return undefined;
}

/** The setting that refuses a name; undefined when it is allowed. */
function settingAgainst(policy: NamedPolicy, name: Name): string | undefined {
  if (policy.deny.identifiers.some((pattern) => deniesName(pattern, name))) {
    return 'deny.identifiers';
  }
  if (!policy.identifiers.some((pattern) => allowsName(pattern, name))) {
    return 'identifiers';
  }
  return policy.allowWildcards || name.type === 'ip' || !name.isWildcard
    ? undefined
    : 'allow-wildcards';
}

function checkKey(
  { policy, request: { csr } }: ContentQuestion,
  isAllowed: (policy: NamedPolicy, hash: string) => boolean,
): string | undefined {
  return csr === undefined || isAllowed(policy, csr.keyHash)
    ? undefined
    : `does not allow the key of the CSR, ${csr.keyHash}`;
}

function checkKeyType({ policy, request: { csr } }: ContentQuestion): string | undefined {
  if (csr === undefined) {
    return undefined;
  }
  const { key } = csr;
  const isShort = key.type === 'rsa' && key.bits < MIN_RSA_BITS;
  const isAllowed = policy.csrKeyTypes?.some((rule) => allowsKey(rule, key)) ?? true;
  return isAllowed && !isShort ? undefined : `does not allow a CSR with a key ${formatKey(key)}`;
}

function checkProfile({ policy, request }: PolicyQuestion): string | undefined {
  if (request.operation !== 'new-order' || request.payload === undefined) {
    return undefined;
  }
  const profile = jsonMember(request.payload, 'profile');
  if (profile === undefined) {
    return policy.profiles.has('') ? undefined : 'does not allow an order without a profile';
  }
  return typeof profile === 'string' && policy.profiles.has(profile)
    ? undefined
    : `does not allow the profile ${shown(JSON.stringify(profile))}`;
}

function checkValidity({ policy, request, now }: PolicyQuestion): string | undefined {
  return request.operation === 'new-order' && request.payload !== undefined
    ? validityProblem(request.payload, policy.validity, now)
    : undefined;
}

function shown(text: string | undefined): string {
  return printable(text ?? 'unknown', 260);
}
