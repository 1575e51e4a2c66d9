// Runs in the token helper: finds the signing key that a selector names, and lists keys in errors.
// Exactly one private key has to match: a signature by the wrong key is worse than none.

import pkcs11js from 'pkcs11js';
import { algorithmOfKey, type Algorithm } from '../jose/algorithms.js';
import { publicKeyOfJwk, type PublicJwk } from '../jose/public-jwk.js';
import { AppError, messageOf } from '../lib/errors.js';
import { formatTable } from '../lib/table.js';
import {
  findObjects,
  readFlag,
  readId,
  readLabel,
  readULong,
  type OpenToken,
  type Session,
} from './attributes.js';
import {
  CKK_EC_EDWARDS,
  decideMechanism,
  offeredForKey,
  type SigningMechanism,
} from './mechanisms.js';
import type { KeySelector } from './messages.js';
import { publicJwkOfPrivateKey } from './public-key.js';

export interface PrivateKey {
  readonly handle: pkcs11js.Handle;
  /** CKA_ALWAYS_AUTHENTICATE: each signature needs a login of its own. */
  readonly alwaysAuthenticate: boolean;
  readonly label: string;
  readonly id: string;
  readonly jwk: PublicJwk;
  readonly algorithm: Algorithm;
  readonly signing: SigningMechanism;
}

/** The key types that can be an account key, by CKA_KEY_TYPE. */
const KEY_TYPE_NAMES: ReadonlyMap<number | undefined, string> = new Map([
  [pkcs11js.CKK_RSA, 'RSA'],
  [pkcs11js.CKK_EC, 'EC'],
  [CKK_EC_EDWARDS, 'Edwards'],
]);
const MAX_KEYS_SHOWN = 8;

/**
 * The only private key that matches label and ID.
 * @throws AppError TOKEN_KEY_NOT_FOUND, TOKEN_KEY_AMBIGUOUS, TOKEN_KEY_UNSUPPORTED; the hint lists
 *   the keys of the token.
 */
export function selectPrivateKey(token: OpenToken, selector: KeySelector): PrivateKey {
  const found = findObjects(token, privateKeyTemplate(selector));
  const [handle, second] = found;
  if (handle === undefined) {
    throw new AppError('TOKEN_KEY_NOT_FOUND', `key: none matches ${describeSelector(selector)}`, {
      hint: describeAll(token),
    });
  }
  if (second !== undefined) {
    throw new AppError(
      'TOKEN_KEY_AMBIGUOUS',
      `key: ${found.length} keys match ${describeSelector(selector)}`,
      { hint: `name one by object= and id=; they are\n${tableOf(token, found)}` },
    );
  }
  return describeKey(token, handle);
}

/** The keys of the token: private ones, else public ones, which show without a user's login. */
function describeAll(session: Session): string {
  const privateKeys = findObjects(session, privateKeyTemplate({}));
  if (privateKeys.length > 0) {
    return `the token holds\n${tableOf(session, privateKeys)}`;
  }
  const publicKeys = findObjects(session, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PUBLIC_KEY },
  ]);
  return publicKeys.length === 0
    ? 'the token holds no private key'
    : `the token shows no private key, and these public ones\n${tableOf(session, publicKeys)}`;
}

function describeKey(token: OpenToken, handle: pkcs11js.Handle): PrivateKey {
  const label = readLabel(token, handle);
  const id = readId(token, handle);
  const name = `key ${JSON.stringify(label)} id=${id}`;
  const type = readULong(token, handle, pkcs11js.CKA_KEY_TYPE);
  if (!KEY_TYPE_NAMES.has(type)) {
    const shown = type === undefined ? 'unknown' : `0x${type.toString(16)}`;
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `${name}: CKA_KEY_TYPE ${shown} is not supported`, {
      hint: 'use an RSA key, an EC key on P-256, P-384 or P-521, Ed25519 or Ed448',
    });
  }
  if (!readFlag(token, handle, pkcs11js.CKA_SIGN)) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `${name}: the token does not let it sign`);
  }
  const jwk = publicJwkOfPrivateKey(token, handle);
  const algorithm = algorithmOf(jwk, name);
  return {
    handle,
    alwaysAuthenticate: readFlag(token, handle, pkcs11js.CKA_ALWAYS_AUTHENTICATE),
    label,
    id,
    jwk,
    algorithm,
    signing: decideMechanism(algorithm, offeredForKey(token, handle)),
  };
}

/** Refuses RSA keys of a size that no CA accepts, and points that are not on their curve. */
function algorithmOf(jwk: PublicJwk, name: string): Algorithm {
  try {
    return algorithmOfKey(publicKeyOfJwk(jwk));
  } catch (error) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `${name}: ${messageOf(error)}`, { cause: error });
  }
}

function privateKeyTemplate(selector: KeySelector): pkcs11js.Template {
  const template: pkcs11js.Template = [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
  ];
  if (selector.label !== undefined) {
    template.push({ type: pkcs11js.CKA_LABEL, value: selector.label });
  }
  if (selector.id !== undefined) {
    template.push({ type: pkcs11js.CKA_ID, value: Buffer.from(selector.id, 'hex') });
  }
  return template;
}

function describeSelector(selector: KeySelector): string {
  const label = selector.label === undefined ? [] : [`object=${JSON.stringify(selector.label)}`];
  const id = selector.id === undefined ? [] : [`id=${selector.id}`];
  return [...label, ...id].join(' ') || '(no key named)';
}

function tableOf(session: Session, keys: readonly pkcs11js.Handle[]): string {
  const rows = keys.slice(0, MAX_KEYS_SHOWN).map((key) => {
    const type = readULong(session, key, pkcs11js.CKA_KEY_TYPE);
    return [readLabel(session, key), readId(session, key), KEY_TYPE_NAMES.get(type) ?? 'other'];
  });
  const more = keys.length - rows.length;
  const lines = formatTable(['OBJECT', 'ID', 'TYPE'], rows);
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}
