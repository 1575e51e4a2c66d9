// Whether a named policy allows a request that the mode allows: a row for each setting, all have to agree.
// Pure; daemon and clavigerd policy. What the request says comes from the client; it is shown escaped.

import type { ProtectedHeader } from '../jose/signing-input.js';
import { printable } from '../lib/printable.js';
import { jsonMember } from '../lib/strict-json.js';
import { allowsKey, formatKey, MIN_RSA_BITS } from './csr-keys.js';
import { allowsName, deniesName } from './name-pattern.js';
import type { NamedPolicy } from './named-policy.js';
import { readName, type Name } from './names.js';
import { NAMING_OPERATIONS, type ClassifiedRequest } from './operation.js';
import { originOf } from './request-url.js';
import { validityProblem } from './validity.js';
import { denied, type Verdict } from './verdict.js';

interface Subject {
  readonly policy: NamedPolicy;
  readonly request: ClassifiedRequest;
  readonly header: ProtectedHeader;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Why the request is not allowed, to follow `policy 'web'`; undefined when it is. */
type Check = (subject: Subject) => string | undefined;

/** The settings in the order they are asked; each is the last part of the rule that denies. */
const CHECKS: readonly (readonly [string, Check])[] = [
  ['deny.operations', ({ policy, request }) => refusing(policy.deny.operations, request)],
  ['operations', ({ policy, request }) => missing(policy.operations, request)],
  ['deny.servers', checkDeniedServer],
  ['servers', checkServer],
  ['csr', checkCsr],
  ['certificate', checkCertificate],
  ['max-identifiers', checkCount],
  ['deny.identifiers', checkDeniedNames],
  ['identifiers', checkNames],
  ['allow-wildcards', checkWildcards],
  ['deny.csr-keys', checkDeniedKey],
  ['csr-keys', checkKey],
  ['csr-key-types', checkKeyType],
  ['profiles', checkProfile],
  ['validity', checkValidity],
];

/** The verdict of the policy alone: approved under its name, or denied under the setting that refuses. */
export function applyPolicy(subject: Subject): Verdict {
  const { name } = subject.policy;
  for (const [setting, check] of CHECKS) {
    const problem = check(subject);
    if (problem !== undefined) {
      return denied(`${name}.${setting}`, `policy '${name}' ${problem}`);
    }
  }
  return { kind: 'approved', rule: name };
}

function refusing(operations: NamedPolicy['operations'], { operation }: ClassifiedRequest) {
  return operations.has(operation) ? `does not allow ${operation}` : undefined;
}

function missing(operations: NamedPolicy['operations'], { operation }: ClassifiedRequest) {
  return operations.has(operation) ? undefined : `does not allow ${operation}`;
}

function checkDeniedServer({ policy, header }: Subject): string | undefined {
  const origin = originOf(header.url) ?? '';
  return policy.deny.servers.has(origin) ? `does not allow the server ${shown(origin)}` : undefined;
}

function checkServer({ policy, header }: Subject): string | undefined {
  const origin = originOf(header.url) ?? '';
  return policy.servers?.has(origin) === false
    ? `does not allow the server ${shown(origin)}`
    : undefined;
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

function checkCount({ policy, request }: Subject): string | undefined {
  const count = request.identifiers.length;
  return policy.maxIdentifiers !== undefined && count > policy.maxIdentifiers
    ? `allows at most ${policy.maxIdentifiers} names in a request, not ${count}`
    : undefined;
}

function checkDeniedNames(subject: Subject): string | undefined {
  const { identifiers } = subject.policy.deny;
  return checkEachName(subject, (name) => !identifiers.some((each) => deniesName(each, name)));
}

function checkNames(subject: Subject): string | undefined {
  const { policy, request } = subject;
  if (NAMING_OPERATIONS.has(request.operation) && request.identifiers.length === 0) {
    return `does not allow ${request.operation} without a name`;
  }
  return checkEachName(subject, (name) =>
    policy.identifiers.some((each) => allowsName(each, name)),
  );
}

function checkWildcards(subject: Subject): string | undefined {
  const { policy, request } = subject;
  const isRefused = (name: Name): boolean =>
    name.type === 'dns' && name.isWildcard && !policy.allowWildcards;
  const problem = checkEachName(subject, (name) => !isRefused(name));
  return problem === undefined ? undefined : `does not allow wildcards: ${problem}`;
}

/** The first name that cannot be read or that `isAllowed` says no to. */
function checkEachName(
  { request }: Subject,
  isAllowed: (name: Name) => boolean,
): string | undefined {
  for (const identifier of request.identifiers) {
    const reading = readName(identifier);
    const refusal = `does not allow ${request.operation} for ${shown(identifier.value)}`;
    if ('problem' in reading) {
      return `${refusal}: ${reading.problem}`;
    }
    if (!isAllowed(reading.name)) {
      return refusal;
    }
  }
  return undefined;
}

function checkDeniedKey({ policy, request: { csr } }: Subject): string | undefined {
  return csr !== undefined && policy.deny.csrKeys.has(csr.keyHash)
    ? `does not allow the key of the CSR, ${csr.keyHash}`
    : undefined;
}

function checkKey({ policy, request: { csr } }: Subject): string | undefined {
  return csr !== undefined && policy.csrKeys?.has(csr.keyHash) === false
    ? `does not allow the key of the CSR, ${csr.keyHash}`
    : undefined;
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
  const profile = jsonMember(request.payload, 'profile') ?? '';
  if (typeof profile === 'string' && policy.profiles.has(profile)) {
    return undefined;
  }
  return profile === ''
    ? 'does not allow an order without a profile'
    : `does not allow the profile ${shown(String(profile))}`;
}

function checkValidity({ policy, request, now }: Subject): string | undefined {
  return request.operation === 'new-order' && request.payload !== undefined
    ? validityProblem(request.payload, policy.validity, now)
    : undefined;
}

function shown(text: string | undefined): string {
  return printable(text ?? 'unknown', 260);
}
