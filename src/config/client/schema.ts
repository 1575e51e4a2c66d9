// What claviger.toml may say: names and types of its settings. Pure.

import * as v from 'valibot';
import { readWebUrl } from '../../lib/web-url.js';
import { DAY_SECONDS, printable, seconds, table } from '../setting-types.js';

export const KEY_TYPES = ['p256', 'p384', 'rsa2048', 'rsa3072', 'rsa4096'] as const;
export type ServerKeyType = (typeof KEY_TYPES)[number];
/** Of a new key, where no type is asked for. */
export const DEFAULT_KEY_TYPE: ServerKeyType = 'p256';

/** A timer that runs less often than once a week renews nothing in time. */
const MAX_RENEW_INTERVAL_S = 7 * DAY_SECONDS;
const MIN_RENEW_INTERVAL_S = 60;

const keyType = v.picklist(KEY_TYPES, `must be one of ${KEY_TYPES.join(', ')}`);
const directoryUrl = v.pipe(
  printable,
  v.check(
    (value) => 'url' in readWebUrl(value, true),
    'must be an https URL; http is taken for a loopback address only',
  ),
);
/** RFC 8555 §7.1.2: contacts are URLs. */
const contact = v.pipe(
  printable,
  v.regex(/^[a-z][a-z0-9+.-]*:[!-~]+$/, 'must be a URI such as mailto:admin@example.org'),
);

/**
 * What one certificate needs. At the top of the file they are for `issue`, and some of them are the
 * defaults of the sections.
 */
const certificateEntries = {
  key: v.optional(printable),
  'key-type': v.optional(keyType),
  cert: v.optional(printable),
  chain: v.optional(printable),
  fullchain: v.optional(printable),
  listen: v.optional(printable),
  webroot: v.optional(printable),
  'ca-file': v.optional(printable),
  'preferred-chain': v.optional(printable),
};

export const certificateSchema = v.strictObject({
  names: v.optional(v.pipe(v.array(printable), v.minLength(1, 'must name at least one host'))),
  ...certificateEntries,
});

export const clavigerSchema = v.strictObject({
  server: v.optional(directoryUrl),
  'server-ca-file': v.optional(printable),
  socket: v.optional(printable),
  'signer-command': v.optional(printable),
  contact: v.optional(v.array(contact)),
  'agree-tos': v.optional(v.boolean()),
  timeout: v.optional(seconds(DAY_SECONDS)),
  'renew-interval': v.optional(seconds(MAX_RENEW_INTERVAL_S, MIN_RENEW_INTERVAL_S)),
  quiet: v.optional(v.boolean()),
  debug: v.optional(v.boolean()),
  'state-directory': v.optional(printable),
  ...certificateEntries,
  // The sections are checked one by one, so that a mistake in one does not hide those of the
  // others.
  certificate: v.optional(v.array(table)),
});

export type ClavigerSettings = v.InferOutput<typeof clavigerSchema>;
export type CertificateEntry = v.InferOutput<typeof certificateSchema>;
