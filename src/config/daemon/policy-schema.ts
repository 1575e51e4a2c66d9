// The shape of a [policy.NAME] section: which settings there are, and of what type. Pure.
// What they mean is the policy's matter; here a text is a text.

import * as v from 'valibot';
import { count, printable, texts } from '../setting-types.js';

const MAX_IDENTIFIERS = 10_000;

export const policySchema = v.strictObject({
  operations: v.optional(texts),
  identifiers: v.optional(texts),
  'csr-keys': v.optional(texts),
  'csr-key-types': v.optional(texts),
  profiles: v.optional(texts),
  servers: v.optional(texts),
  'max-identifiers': v.optional(count(MAX_IDENTIFIERS)),
  budgets: v.optional(texts),
  'allow-wildcards': v.optional(v.boolean()),
  validity: v.optional(
    v.strictObject({ max: v.optional(printable), ahead: v.optional(printable) }),
  ),
  deny: v.optional(
    v.strictObject({
      operations: v.optional(texts),
      identifiers: v.optional(texts),
      'csr-keys': v.optional(texts),
      servers: v.optional(texts),
    }),
  ),
});

/** The settings of one named policy as they are written. */
export type PolicySettings = Readonly<v.InferOutput<typeof policySchema>>;
