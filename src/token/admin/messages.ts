// The messages between `clavigerd key` and its token helper that clavigerd does not send: to make
// tokens, keys and PINs. Pure. A part of messages.ts; both sides parse.

import * as v from 'valibot';
import { hexId, text, ulong } from '../message-fields.js';

/** PKCS #8 of RSA-4096 has 2.4 KB. */
const MAX_PKCS8_BASE64 = 8 * 1024;
/** Anything larger in a token is taken for no certificate. */
export const MAX_CERTIFICATE_BYTES = 8 * 1024;
/** An attestation and what issued it. */
const MAX_CERTIFICATES = 2;

const certificateBase64 = v.pipe(
  v.string(),
  v.maxLength(Math.ceil(MAX_CERTIFICATE_BYTES / 3) * 4),
  v.base64(),
);

/** CKA_LABEL and CKA_ID of one key; an ID that is empty is none. */
const keyNames = { label: text, id: hexId };

export const ADMIN_REQUESTS = [
  v.strictObject({
    op: v.literal('init-token'),
    slotId: ulong,
    label: text,
    soPin: text,
    pin: text,
  }),
  v.strictObject({
    op: v.literal('import-key'),
    ...keyNames,
    /** The private key, PKCS #8 in DER. */
    pkcs8: v.pipe(v.string(), v.maxLength(MAX_PKCS8_BASE64), v.base64()),
  }),
  v.strictObject({ op: v.literal('delete-key'), ...keyNames }),
  v.strictObject({ op: v.literal('attest'), ...keyNames }),
  v.strictObject({ op: v.literal('login-officer'), soPin: text }),
  v.strictObject({ op: v.literal('change-pin'), pin: text, newPin: text }),
  v.strictObject({ op: v.literal('unblock-pin'), newPin: text }),
] as const;

export const ADMIN_RESULTS = [
  v.strictObject({
    kind: v.literal('deleted'),
    privateKeys: ulong,
    publicKeys: ulong,
    certificates: ulong,
  }),
  v.strictObject({
    kind: v.literal('certificates'),
    certificates: v.pipe(v.array(certificateBase64), v.maxLength(MAX_CERTIFICATES)),
  }),
] as const;
