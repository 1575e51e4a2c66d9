// The resources of RFC 8555 §7.1 as claviger reads them. Pure. Unknown members are ignored, and
// null counts as absent, since servers write it; what a step does not need may be missing. Unknown
// states are refused: any reaction to them would be a guess.

import * as v from 'valibot';
import { problemSchema } from './problem.js';

/** Names of one order, at most; public authorities stop at 100. */
const MAX_IDENTIFIERS = 1000;
const MAX_CHALLENGES = 50;
const MAX_CONTACTS = 100;

const identifierSchema = v.object({ type: v.string(), value: v.string() });

/** RFC 8555 §7.1.2. An answer without a status is about a valid account. */
export const accountSchema = v.object({
  status: v.nullish(v.picklist(['valid', 'deactivated', 'revoked']), 'valid'),
  /** Undefined when the answer does not have it. */
  contact: v.pipe(
    v.nullish(v.pipe(v.array(v.string()), v.maxLength(MAX_CONTACTS))),
    v.transform((list) => list ?? undefined),
  ),
  /** URL of the list of orders, §7.1.2.1, where the server has one. */
  orders: v.nullish(v.string()),
});

/** Why something failed, as far as it can be read. */
const reason = v.fallback(v.nullish(problemSchema), undefined);

/** RFC 8555 §7.1.3 */
export const orderSchema = v.object({
  status: v.picklist(['pending', 'ready', 'processing', 'valid', 'invalid']),
  identifiers: v.nullish(v.pipe(v.array(identifierSchema), v.maxLength(MAX_IDENTIFIERS))),
  authorizations: v.nullish(v.pipe(v.array(v.string()), v.maxLength(MAX_IDENTIFIERS))),
  finalize: v.nullish(v.string()),
  certificate: v.nullish(v.string()),
  error: reason,
});

/** RFC 8555 §7.1.2.1 */
export const orderListSchema = v.object({
  orders: v.nullish(v.pipe(v.array(v.string()), v.maxLength(MAX_IDENTIFIERS)), []),
});

/** RFC 8555 §8; challenges of unknown types are read too, and not used. */
const challengeSchema = v.object({
  type: v.nullish(v.string(), 'unknown'),
  status: v.nullish(v.string()),
  url: v.nullish(v.string()),
  token: v.nullish(v.string()),
  error: reason,
});

/** RFC 8555 §7.1.4 */
export const authorizationSchema = v.object({
  identifier: v.nullish(identifierSchema),
  status: v.picklist(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  challenges: v.nullish(v.pipe(v.array(challengeSchema), v.maxLength(MAX_CHALLENGES)), []),
});

export type Account = v.InferOutput<typeof accountSchema>;
export type Order = v.InferOutput<typeof orderSchema>;
export type Challenge = v.InferOutput<typeof challengeSchema>;
export type Authorization = v.InferOutput<typeof authorizationSchema>;
