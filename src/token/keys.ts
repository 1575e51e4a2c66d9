// Runs in the token helper. Finds the signing key that is meant, and lists keys for people.
// Exactly one private key has to match: a signature by the wrong key is worse than none.

import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import { findObjects, readFlag, readId, readLabel, readULong, type Session } from './attributes.js';
import type { KeySelector } from './messages.js';
import { publicJwkOfPrivateKey } from './public-key.js';

export interface PrivateKey {
  readonly handle: pkcs11js.Handle;
  readonly kind: 'rsa' | 'ec';
  /** CKA_ALWAYS_AUTHENTICATE: each signature needs a login of its own. */
  readonly alwaysAuthenticate: boolean;
  readonly label: string;
  readonly id: string;
  readonly jwk: PublicJwk;
}

/**
 * The one private key that matches label and ID.
 * @throws AppError TOKEN_KEY_NOT_FOUND, TOKEN_KEY_AMBIGUOUS, TOKEN_KEY_UNSUPPORTED
 */
export function selectPrivateKey(session: Session, selector: KeySelector): PrivateKey {
  const found = findObjects(session, privateKeyTemplate(selector));
  const [handle, second] = found;
  if (handle === undefined) {
    const others = findObjects(session, privateKeyTemplate({}));
    throw new AppError('TOKEN_KEY_NOT_FOUND', `key: none matches ${describeSelector(selector)}`, {
      hint:
        others.length === 0
          ? 'the token holds no private key'
          : `the token holds ${listOf(session, others)}`,
    });
  }
  if (second !== undefined) {
    throw new AppError(
      'TOKEN_KEY_AMBIGUOUS',
      `key: ${found.length} keys match ${describeSelector(selector)}`,
      { hint: `name one by object= and id=; they are ${listOf(session, found)}` },
    );
  }
  return describeKey(session, handle);
}

function describeKey(session: Session, handle: pkcs11js.Handle): PrivateKey {
  const label = readLabel(session, handle);
  const id = readId(session, handle);
  const name = `key ${JSON.stringify(label)} id=${id}`;
  const type = readULong(session, handle, pkcs11js.CKA_KEY_TYPE);
  if (type !== pkcs11js.CKK_RSA && type !== pkcs11js.CKK_EC) {
    const shown = type === undefined ? 'unknown' : `0x${type.toString(16)}`;
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `${name}: CKA_KEY_TYPE ${shown} is not supported`, {
      hint: 'use an RSA key, or an EC key on P-256, P-384 or P-521',
    });
  }
  if (!readFlag(session, handle, pkcs11js.CKA_SIGN)) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `${name}: the token does not let it sign`);
  }
  return {
    handle,
    kind: type === pkcs11js.CKK_RSA ? 'rsa' : 'ec',
    alwaysAuthenticate: readFlag(session, handle, pkcs11js.CKA_ALWAYS_AUTHENTICATE),
    label,
    id,
    jwk: publicJwkOfPrivateKey(session, handle),
  };
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

function listOf(session: Session, keys: readonly pkcs11js.Handle[]): string {
  return keys
    .slice(0, 8)
    .map((key) => `object=${JSON.stringify(readLabel(session, key))} id=${readId(session, key)}`)
    .join(', ');
}
