// Which settings clavigerd.toml may have, and of what type: at the top, in [account.NAME], in
// [[listen]]. Pure. The sections are checked one by one, so that a mistake in one does not hide
// those of the others.

import * as v from 'valibot';
import { count, DAY_SECONDS, HOUR_SECONDS, printable, seconds, table } from '../setting-types.js';

const MAX_KEY_PLACES = 8;
const MAX_LISTENERS = 64;
/** A tebibyte. */
const MAX_RESERVE_MIB = 1024 * 1024;

/** What an account has, whether at the top or in a section of its own. */
const accountEntries = {
  privkey: v.optional(
    v.union(
      [printable, v.pipe(v.array(printable), v.minLength(1), v.maxLength(MAX_KEY_PLACES))],
      `expected a string, or 1 to ${MAX_KEY_PLACES} of them in an array, without control characters`,
    ),
  ),
  'pin-source': v.optional(printable),
  pinentry: v.optional(printable),
  gpg: v.optional(printable),
  'openpgp-key': v.optional(printable),
  keyid: v.optional(v.pipe(v.string(), v.maxLength(2048, 'is too long'))),
  helpers: v.optional(count(16)),
  'sign-timeout': v.optional(seconds(HOUR_SECONDS)),
  'touch-notice': v.optional(seconds(HOUR_SECONDS)),
};

const limitEntries = {
  'line-timeout': v.optional(seconds(HOUR_SECONDS)),
  'idle-timeout': v.optional(seconds(DAY_SECONDS)),
  'max-connections': v.optional(count(10_000)),
  'max-queued-requests': v.optional(count(100_000)),
};

export const settingsSchema = v.strictObject({
  ...accountEntries,
  ...limitEntries,
  // Not `policy`: TOML has one namespace, and that is where the policies are.
  'default-policy': v.optional(printable),
  'state-directory': v.optional(printable),
  socket: v.optional(printable),
  logfile: v.optional(printable),
  quiet: v.optional(v.boolean()),
  'log-priorities': v.optional(v.boolean()),
  'allow-http-on-loopback': v.optional(v.boolean()),
  'audit-log': v.optional(printable),
  'audit-durable': v.optional(v.boolean()),
  'audit-reserve': v.optional(count(MAX_RESERVE_MIB, ' of mebibytes', 0)),
  account: v.optional(table),
  policy: v.optional(table),
  listen: v.optional(
    v.pipe(
      v.array(table),
      v.minLength(1, 'must have an entry'),
      v.maxLength(MAX_LISTENERS, `must have at most ${MAX_LISTENERS} entries`),
    ),
  ),
});

export const accountSchema = v.strictObject({ ...accountEntries, policy: v.optional(printable) });

export const listenSchema = v.strictObject({
  ...limitEntries,
  name: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9._@+-]{1,64}$/, 'must have 1 to 64 of A-Z a-z 0-9 . _ @ + -'),
    ),
  ),
  socket: v.optional(printable),
  descriptor: v.optional(printable),
  stdio: v.optional(v.literal(true, 'must be true, or be left out')),
  // Not 0640: who connects to a socket writes to it, and reading alone gives a group nothing.
  mode: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^0?6[026]0$/, 'must be "0600", or "0660" for a group: others get nothing'),
    ),
  ),
  group: v.optional(v.union([printable, count(0xff_ff_ff_fe)], 'expected a name or a number')),
  policy: v.optional(printable),
  account: v.optional(printable),
});

export type Settings = v.InferOutput<typeof settingsSchema>;
export type AccountSettings = v.InferOutput<typeof accountSchema>;
export type ListenSettings = v.InferOutput<typeof listenSchema>;
