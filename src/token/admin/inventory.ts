// Runs in the token helper, for `clavigerd key` and for a token that refuses the PIN: lists keys,
// with graphene-pk11. Both are imported for such a request only, never for signing (36 ms, 10 MiB).

import { ObjectClass, Module, Session as GrapheneSession, Slot, KeyType } from 'graphene-pk11';
import pkcs11js from 'pkcs11js';
import { publicKeyOfJwk, type PublicJwk } from '../../jose/public-jwk.js';
import {
  findObjects,
  readId,
  readLabel,
  readULong,
  type OpenToken,
  type Session,
} from '../attributes.js';
import type { KeyInfo } from '../messages.js';
import { fromKeyObject, publicJwkOfPrivateKey } from '../public-key.js';

/** A session that is open already, as graphene represents it. */
export function grapheneSession({ lib, slot, handle }: OpenToken): GrapheneSession {
  return new GrapheneSession(handle, new Slot(slot, new Module(lib), lib), lib);
}

/**
 * All private keys that the session shows, and the public keys without a private one: before a
 * login, all public keys.
 */
export function listKeys(token: OpenToken): KeyInfo[] {
  const handlesOf = (value: ObjectClass): pkcs11js.Handle[] =>
    findObjects(token, [{ type: pkcs11js.CKA_CLASS, value }]);
  const keys = handlesOf(ObjectClass.PRIVATE_KEY).map((key) => describeObject(token, key, true));
  for (const handle of handlesOf(ObjectClass.PUBLIC_KEY)) {
    const key = describeObject(token, handle, false);
    if (!keys.some((known) => known.id === key.id && known.label === key.label)) {
      keys.push(key);
    }
  }
  return keys;
}

/** A key as it is listed; one of an unsupported type has its type and no public key. */
export function describeObject(
  session: Session,
  handle: pkcs11js.Handle,
  hasPrivate: boolean,
): KeyInfo {
  let jwk: PublicJwk | undefined;
  try {
    jwk = hasPrivate ? publicJwkOfPrivateKey(session, handle) : fromKeyObject(session, handle);
  } catch {
    // A key of an unsupported type is still listed, with its type alone.
  }
  return {
    label: readLabel(session, handle),
    id: readId(session, handle),
    hasPrivate,
    type: jwk === undefined ? typeOfObject(session, handle) : typeOfJwk(jwk),
    jwk,
  };
}

function typeOfJwk(jwk: PublicJwk): string {
  return jwk.kty === 'RSA'
    ? `RSA-${publicKeyOfJwk(jwk).asymmetricKeyDetails?.modulusLength ?? 0}`
    : jwk.crv;
}

function typeOfObject(session: Session, handle: pkcs11js.Handle): string {
  const type = readULong(session, handle, pkcs11js.CKA_KEY_TYPE);
  const name = type === undefined ? undefined : KeyType[type];
  return `${name ?? 'unknown'} (not supported)`;
}
