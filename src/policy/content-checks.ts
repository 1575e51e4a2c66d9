// What a named policy demands of the content of a request: its names, and the CSR or certificate
// that carries them. Pure; clavigerd and `clavigerd policy`. All of it was written by the client;
// what a message repeats of it is escaped.

import { isAppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { allowsKey, formatKey } from './csr-keys.js';
import { allowsName, deniesName } from './name-pattern.js';
import type { NamedPolicy } from './named-policy.js';
import { canonicalText, readName, type Name } from './names.js';
import { NAMING_OPERATIONS, type ClassifiedRequest } from './operation.js';

/** Why a request is not allowed, and by which setting of the policy. */
export interface Objection {
  /** The last part of the rule that denies, as `identifiers` in `web.identifiers`. */
  readonly setting: string;
  /** A predicate whose subject is the policy: `does not allow new-order`. */
  readonly problem: string;
}

/** A request after `readContent`, and the policy it is checked against. */
interface ContentQuestion {
  readonly policy: NamedPolicy;
  readonly request: ClassifiedRequest;
}

/** The problem with a request; undefined when there is none. */
type Check = (question: ContentQuestion) => string | undefined;

/** The settings in the order of what checking them costs, the cheapest first. */
const CHECKS: readonly (readonly [string, Check])[] = [
  ['csr', checkCsr],
  ['certificate', checkCertificate],
  ['identifiers', checkPresence],
  ['max-identifiers', checkCount],
  ['deny.csr-keys', (asked) => checkKey(asked, (own, hash) => !own.deny.csrKeys.has(hash))],
  ['csr-keys', (asked) => checkKey(asked, (own, hash) => own.csrKeys?.has(hash) ?? true)],
  ['csr-key-types', checkKeyType],
];

/**
 * The first objection to the content of a request; undefined when all of it is allowed. The
 * signature of a CSR is verified last, for it costs more than all the rest.
 */
export function objectionToContent(question: ContentQuestion): Objection | undefined {
  for (const [setting, check] of CHECKS) {
    const problem = check(question);
    if (problem !== undefined) {
      return { setting, problem };
    }
  }
  return objectionToNames(question) ?? objectionToSignature(question);
}

function checkCsr({ request }: ContentQuestion): string | undefined {
  return request.operation === 'finalize' && request.csr === undefined
    ? csrProblem(request.problem)
    : undefined;
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
 * A name that is there twice, as a CSR has it in the common name and in subjectAltName, counts
 * once. Names are read only where there may be too many, and only until there are.
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
  const isAllowed = policy.csrKeyTypes?.some((rule) => allowsKey(rule, key)) ?? true;
  return isAllowed ? undefined : `does not allow a CSR with a key ${formatKey(key)}`;
}

/** Judges each name once, however often it is there, up to the first that is not allowed. */
function objectionToNames({ policy, request }: ContentQuestion): Objection | undefined {
  const judged = new Set<string>();
  for (const { type, value } of request.identifiers) {
    const problem = `does not allow ${request.operation} for ${shown(value)}`;
    const reading = readName({ type, value });
    if (!('name' in reading)) {
      return { setting: 'identifiers', problem: `${problem}: ${reading.problem}` };
    }
    const spelling = canonicalText(reading.name);
    const setting = judged.has(spelling) ? undefined : settingAgainst(policy, reading.name);
    if (setting !== undefined) {
      const why = setting === 'allow-wildcards' ? ': it allows no wildcards' : '';
      return { setting, problem: problem + why };
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

/** The CSR's own signature shows that whoever made it had its private key. */
function objectionToSignature({ request: { csr } }: ContentQuestion): Objection | undefined {
  try {
    csr?.assertSignature();
    return undefined;
  } catch (error) {
    if (!isAppError(error)) {
      throw error;
    }
    return { setting: 'csr', problem: csrProblem(error.message) };
  }
}

function shown(text: string | undefined): string {
  return printable(text ?? 'unknown', 260);
}
