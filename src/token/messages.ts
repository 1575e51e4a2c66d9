// The messages between clavigerd and a token helper, one JSON object a frame. Pure. Both sides
// parse: the helper because a malformed value could crash the module, clavigerd because the helper
// runs native code that is not trusted.

import * as v from 'valibot';
import { AppError } from '../lib/errors.js';
import { parseStrictJson } from '../lib/json/strict-json.js';
import { ADMIN_REQUESTS, ADMIN_RESULTS } from './admin/messages.js';
import { hexId, MAX_TEXT, text, ulong } from './message-fields.js';
import { errorResult } from './token-error.js';

const MAX_PATH = 4096;
/** Longest signing input, in base64: the longest line of the protocol, 32 KiB. */
const MAX_INPUT_BASE64 = 44 * 1024;
/** Keys come in pages, so that a page of RSA-4096 keys fits a frame. */
export const KEYS_PER_PAGE = 16;
export const MAX_TOKENS_LISTED = 64;
/**
 * Begins a line on standard error that a helper, not its module, has written; it holds no secret.
 */
export const HELPER_LINE_MARK = 'claviger-token-helper: ';

const base64 = v.pipe(v.string(), v.maxLength(MAX_TEXT), v.base64());
const input = v.pipe(v.string(), v.maxLength(MAX_INPUT_BASE64), v.base64());
const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

/** What a key pair is made with, besides its ID and what makes it the key it is. */
export const GENERATED_ATTRIBUTES = [
  'label',
  'keyType',
  'token',
  'private',
  'sensitive',
  'extractable',
  'sign',
  'decrypt',
  'unwrap',
  'derive',
  'verify',
  'encrypt',
  'wrap',
] as const;

/** How a module differs from others, by its profile; absent members mean the usual way. */
const moduleQuirks = v.strictObject({
  /** C_OpenSession knows no read-only sessions. */
  readWriteSessions: v.optional(v.boolean()),
  /** CK_C_INITIALIZE_ARGS.pReserved, which NSS softokn needs to find its database. */
  parameters: v.optional(v.pipe(v.string(), v.maxLength(MAX_PATH))),
  /**
   * Where the module's configuration is, and who may read it: a hint for when it does not start.
   */
  configuration: v.optional(v.pipe(v.string(), v.maxLength(MAX_PATH))),
  /** Attributes that C_GenerateKeyPair of this module does not take, by the names below. */
  generateOmits: v.optional(v.array(v.picklist(GENERATED_ATTRIBUTES))),
});

/** Which token is meant; attributes that are absent match anything. */
const tokenSelector = v.strictObject({
  label: v.optional(text),
  serial: v.optional(text),
  manufacturer: v.optional(text),
  model: v.optional(text),
  slotId: v.optional(ulong),
  slotDescription: v.optional(text),
  slotManufacturer: v.optional(text),
  libraryManufacturer: v.optional(text),
  libraryDescription: v.optional(text),
  /** `MAJOR.MINOR` */
  libraryVersion: v.optional(text),
});
/** Which key of it: CKA_LABEL and CKA_ID, the latter in lower-case hexadecimal. */
const keySelector = v.strictObject({ label: v.optional(text), id: v.optional(hexId) });

export const KEY_TYPES = [
  'rsa2048',
  'rsa3072',
  'rsa4096',
  'p256',
  'p384',
  'p521',
  'ed25519',
  'ed448',
] as const;

const request = v.variant('op', [
  v.strictObject({
    op: v.literal('load'),
    module: v.pipe(v.string(), v.maxLength(MAX_PATH)),
    quirks: v.optional(moduleQuirks),
  }),
  v.strictObject({ op: v.literal('list-tokens') }),
  v.strictObject({ op: v.literal('open'), token: tokenSelector, readWrite: v.boolean() }),
  v.strictObject({ op: v.literal('reinitialise') }),
  v.strictObject({ op: v.literal('login'), pin: text, again: v.optional(v.boolean()) }),
  v.strictObject({ op: v.literal('select-key'), key: keySelector }),
  v.strictObject({ op: v.literal('sign'), input }),
  v.strictObject({ op: v.literal('list-keys'), offset: ulong }),
  v.strictObject({
    op: v.literal('generate'),
    type: v.picklist(KEY_TYPES),
    label: text,
    id: hexId,
  }),
  v.strictObject({ op: v.literal('close') }),
  ...ADMIN_REQUESTS,
]);

const tokenInfo = v.strictObject({
  label: text,
  serial: text,
  manufacturer: text,
  model: text,
  slotId: ulong,
  /** From CK_SLOT_INFO and CK_INFO; absent where the module does not return them. */
  slotDescription: v.optional(text),
  slotManufacturer: v.optional(text),
  libraryManufacturer: v.optional(text),
  libraryDescription: v.optional(text),
  libraryVersion: v.optional(text),
  initialized: v.boolean(),
  loginRequired: v.boolean(),
  /** The state of the PIN, from the flags CKF_USER_PIN_*. */
  pinState: v.picklist(['ok', 'count-low', 'final-try', 'locked']),
});

const keyInfo = v.strictObject({
  label: text,
  id: hexId,
  /** False when only the public half is visible: no login, or no private key. */
  hasPrivate: v.boolean(),
  /** CKA_ALWAYS_AUTHENTICATE: each signature needs a login. Given for the selected key alone. */
  alwaysAuthenticate: v.optional(v.boolean()),
  /** For people: `RSA-2048`, `P-256`, or the token's own name of a type that cannot sign here. */
  type: text,
  /**
   * The public key in JWK form, not checked yet; absent where the token shows none of a known type.
   */
  jwk: v.optional(v.unknown()),
});

const result = v.variant('kind', [
  v.strictObject({ kind: v.literal('done') }),
  v.strictObject({ kind: v.literal('token'), token: tokenInfo }),
  v.strictObject({
    kind: v.literal('tokens'),
    tokens: v.pipe(v.array(tokenInfo), v.maxLength(MAX_TOKENS_LISTED)),
  }),
  v.strictObject({ kind: v.literal('key'), key: keyInfo }),
  v.strictObject({
    kind: v.literal('keys'),
    keys: v.pipe(v.array(keyInfo), v.maxLength(KEYS_PER_PAGE)),
    /** True when the next page has something in it. */
    more: v.boolean(),
  }),
  v.strictObject({ kind: v.literal('signature'), signature: base64 }),
  errorResult,
  ...ADMIN_RESULTS,
]);

const requestMessage = v.strictObject({ id, request });
const replyMessage = v.strictObject({ id, result });

export type GeneratedAttribute = (typeof GENERATED_ATTRIBUTES)[number];
export type ModuleQuirks = v.InferOutput<typeof moduleQuirks>;
export type TokenSelector = v.InferOutput<typeof tokenSelector>;
export type KeySelector = v.InferOutput<typeof keySelector>;
export type GeneratedKeyType = (typeof KEY_TYPES)[number];
export type HelperRequest = v.InferOutput<typeof request>;
/** The requests of `clavigerd key` alone. */
export type AdminRequest = v.InferOutput<(typeof ADMIN_REQUESTS)[number]>;
export type HelperResult = v.InferOutput<typeof result>;
export type TokenInfo = v.InferOutput<typeof tokenInfo>;
export type KeyInfo = v.InferOutput<typeof keyInfo>;

/** The attributes that a selector may name. */
export const SELECTED_ATTRIBUTES = [
  'label',
  'serial',
  'manufacturer',
  'model',
  'slotId',
  'slotDescription',
  'slotManufacturer',
  'libraryManufacturer',
  'libraryDescription',
  'libraryVersion',
] as const satisfies readonly (keyof TokenSelector)[];

/** True when each attribute that the selector names is the token's. */
export function isMatchingToken(token: TokenInfo, wanted: TokenSelector): boolean {
  return SELECTED_ATTRIBUTES.every(
    (name) => wanted[name] === undefined || wanted[name] === token[name],
  );
}

interface RequestMessage {
  readonly id: number;
  readonly request: HelperRequest;
}

interface ReplyMessage {
  readonly id: number;
  readonly result: HelperResult;
}

/** Members of requests that are secret: PINs, and a private key. */
const SECRET_MEMBERS: readonly string[] = ['pin', 'soPin', 'newPin', 'pkcs8'];

/** True when the module receives a secret by it, which the module may print. */
export function holdsSecret(message: HelperRequest): boolean {
  return SECRET_MEMBERS.some((name) => name in message);
}

/** The body of a frame. It may hold a PIN: wipe it once it is sent. */
export function formatMessage(message: RequestMessage | ReplyMessage): Buffer {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/**
 * Token helper. @throws AppError TOKEN_HELPER; the message never repeats the body, which may hold a
 * PIN.
 */
export function parseRequest(body: Buffer): RequestMessage {
  return parse(requestMessage, body, 'request');
}

/** clavigerd. @throws AppError TOKEN_HELPER for what no helper of this version replies */
export function parseReply(body: Buffer): ReplyMessage {
  return parse(replyMessage, body, 'reply');
}

function parse<T extends v.GenericSchema>(schema: T, body: Buffer, what: string): v.InferOutput<T> {
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch {
    throw new AppError('TOKEN_HELPER', `token helper: ${what} is not JSON`);
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) {
    const path = v.getDotPath(parsed.issues[0]) ?? 'message';
    throw new AppError('TOKEN_HELPER', `token helper: ${what} is malformed at ${path}`);
  }
  return parsed.output;
}
