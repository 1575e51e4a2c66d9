// Whether a named policy allows a request that the mode allows: a row for each setting, all have to agree.
// Pure; daemon and clavigerd policy. What the request says comes from the client; it is shown escaped.

import type { ProtectedHeader } from '../jose/signing-input.js';
import { printable } from '../lib/printable.js';
import { jsonMember } from '../lib/strict-json.js';
import { allowsKey, formatKey, MIN_RSA_BITS } from './csr-keys.js';
import { allowsName, deniesName } from './name-pattern.js';
import type { NamedPolicy } from './named-policy.js';
import { canonicalText, readName, type Name, type NameReading } from './names.js';
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

interface Subject extends PolicyQuestion {
  /** Each identifier, as it stands there and as it is read. */
  readonly names: readonly (NameReading & { readonly text: string })[];
}

/** Why the request is not allowed, to follow `policy 'web'`; undefined when it is. */
type Check = (subject: Subject) => string | undefined;

/** The settings in the order they are asked; each is the last part of the rule that denies. */
const CHECKS: readonly (readonly [string, Check])[] = [
  [
    'deny.operations',
    (subject) =>
      checkOperation(subject, (own) => !own.deny.operations.has(subject.request.operation)),
  ],
  [
    'operations',
    (subject) => checkOperation(subject, (own) => own.operations.has(subject.request.operation)),
  ],
  [
    'deny.servers',
    (subject) => checkServer(subject, (own, origin) => !own.deny.servers.has(origin)),
  ],
  ['servers', (subject) => checkServer(subject, (own, origin) => own.servers?.has(origin) ?? true)],
  ['csr', checkCsr],
  ['certificate', checkCertificate],
  ['identifiers', checkReadable],
  ['max-identifiers', checkCount],
  ['deny.identifiers', (subject) => checkNames(subject, isNotDenied)],
  ['identifiers', (subject) => checkNames(subject, isListed)],
  ['allow-wildcards', checkWildcards],
  ['deny.csr-keys', (subject) => checkKey(subject, (own, hash) => !own.deny.csrKeys.has(hash))],
  ['csr-keys', (subject) => checkKey(subject, (own, hash) => own.csrKeys?.has(hash) ?? true)],
  ['csr-key-types', checkKeyType],
  ['profiles', checkProfile],
  ['validity', checkValidity],
];

/** The verdict of the policy alone: approved under its name, or denied under the setting that refuses. */
export function applyPolicy(question: PolicyQuestion): Verdict {
  const { name } = question.policy;
  const names = question.request.identifiers.map((each) => ({
    ...readName(each),
    text: each.value,
  }));
  const subject = { ...question, names };
  for (const [setting, check] of CHECKS) {
    const problem = check(subject);
    if (problem !== undefined) {
      return denied(`${name}.${setting}`, `policy '${name}' ${problem}`);
    }
  }
  return { kind: 'approved', rule: name };
}

function checkOperation(
  { policy, request }: Subject,
  isAllowed: (policy: NamedPolicy) => boolean,
): string | undefined {
  return isAllowed(policy) ? undefined : `does not allow ${request.operation}`;
}

function checkServer(
  { policy, header }: Subject,
  isAllowed: (policy: NamedPolicy, origin: string) => boolean,
): string | undefined {
  const origin = originOf(header.url) ?? '';
  return isAllowed(policy, origin) ? undefined : `does not allow the server ${shown(origin)}`;
}

function checkCsr({ request }: Subject): string | undefined {
  if (request.operation !== 'finalize' || request.csr !== undefined) {
    return undefined;
  }
  return `does not allow a finalize whose CSR it does not understand: ${shown(request.problem)}`;
}

function checkCertificate({ request }: Subject): string | undefined {
  return request.operation === 'revoke-certificate' && request.problem !== undefined
    ? `does not allow revoke-certificate of what it does not understand: ${shown(request.problem)}`
    : undefined;
}

/** A name twice, as the common name and subjectAltName of a CSR, is one name. */
function checkCount({ policy, names }: Subject): string | undefined {
  const spelled = names.map((each) => ('name' in each ? canonicalText(each.name) : each.text));
  const count = new Set(spelled).size;
  return policy.maxIdentifiers !== undefined && count > policy.maxIdentifiers
    ? `allows at most ${policy.maxIdentifiers} names in a request, not ${count}`
    : undefined;
}

function checkReadable({ request, names }: Subject): string | undefined {
  if (NAMING_OPERATIONS.has(request.operation) && names.length === 0) {
    return `does not allow ${request.operation} without a name`;
  }
  const bad = names.find((each) => 'problem' in each);
  return bad === undefined || !('problem' in bad)
    ? undefined
    : `does not allow ${request.operation} for ${shown(bad.text)}: ${bad.problem}`;
}

function checkNames(
  { policy, request, names }: Subject,
  isAllowed: (policy: NamedPolicy, name: Name) => boolean,
): string | undefined {
  const bad = names.find((each) => !('name' in each) || !isAllowed(policy, each.name));
  return bad === undefined
    ? undefined
    : `does not allow ${request.operation} for ${shown(bad.text)}`;
}

function isNotDenied({ deny }: NamedPolicy, name: Name): boolean {
  return !deny.identifiers.some((pattern) => deniesName(pattern, name));
}

function isListed({ identifiers }: NamedPolicy, name: Name): boolean {
  return identifiers.some((pattern) => allowsName(pattern, name));
}

function checkWildcards(subject: Subject): string | undefined {
  const problem = checkNames(
    subject,
    ({ allowWildcards }, name) => allowWildcards || name.type === 'ip' || !name.isWildcard,
  );
  return problem === undefined ? undefined : `${problem}: it allows no wildcards`;
}

function checkKey(
  { policy, request: { csr } }: Subject,
  isAllowed: (policy: NamedPolicy, hash: string) => boolean,
): string | undefined {
  return csr === undefined || isAllowed(policy, csr.keyHash)
    ? undefined
    : `does not allow the key of the CSR, ${csr.keyHash}`;
}

function checkKeyType({ policy, request: { csr } }: Subject): string | undefined {
  if (csr === undefined) {
    return undefined;
  }
  const { key } = csr;
  const isShort = key.type === 'rsa' && key.bits < MIN_RSA_BITS;
  const isAllowed = policy.csrKeyTypes?.some((rule) => allowsKey(rule, key)) ?? true;
  return isAllowed && !isShort ? undefined : `does not allow a CSR with a key ${formatKey(key)}`;
}

function checkProfile({ policy, request }: Subject): string | undefined {
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

function checkValidity({ policy, request, now }: Subject): string | undefined {
  return request.operation === 'new-order' && request.payload !== undefined
    ? validityProblem(request.payload, policy.validity, now)
    : undefined;
}

function shown(text: string | undefined): string {
  return printable(text ?? 'unknown', 260);
}
