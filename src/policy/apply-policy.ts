// Whether a named policy allows a request that the account's mode allows: every setting has to
// agree, in the order of what checking it costs, for a client may send any number of requests that
// it knows to be refused. Pure; clavigerd and `clavigerd policy`. The request was written by the
// client; what a reason repeats of it is escaped.

import type { ProtectedHeader } from '../jose/signing-input.js';
import { jsonMember } from '../lib/json/json-value.js';
import { printable } from '../lib/printable.js';
import { objectionToContent, type Objection } from './content-checks.js';
import type { NamedPolicy } from './named-policy.js';
import type { ClassifiedRequest } from './operation.js';
import { originOf } from './request-url.js';
import { validityProblem } from './validity.js';
import { denied, type Verdict } from './verdict.js';

interface PolicyQuestion {
  readonly policy: NamedPolicy;
  readonly request: ClassifiedRequest;
  readonly header: ProtectedHeader;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The problem with a request, as a predicate of the policy; undefined when there is none. */
type Check = (question: PolicyQuestion) => string | undefined;

/** The settings that are checked before any name is read, the cheapest first. */
const OPERATION_CHECKS: readonly (readonly [string, Check])[] = [
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

/** The verdict on operation, server and dates, before the names are read. */
export function applyToOperation(question: PolicyQuestion): Verdict {
  for (const [setting, check] of OPERATION_CHECKS) {
    const problem = check(question);
    if (problem !== undefined) {
      return deniedBy(question.policy, { setting, problem });
    }
  }
  return approvedBy(question.policy);
}

/** The verdict on names, key and CSR. @param request as `readContent` gives it */
export function applyToContent(policy: NamedPolicy, request: ClassifiedRequest): Verdict {
  const objection = objectionToContent({ policy, request });
  return objection === undefined ? approvedBy(policy) : deniedBy(policy, objection);
}

function approvedBy({ name }: NamedPolicy): Verdict {
  return { kind: 'approved', rule: name };
}

function deniedBy({ name }: NamedPolicy, { setting, problem }: Objection): Verdict {
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

function shown(text: string): string {
  return printable(text, 260);
}
