// Runs in the token helper, for people's commands only: lists keys and makes them, with graphene-pk11.
// This file and graphene are loaded when such a command comes, never for signing (36 ms, 10 MiB).

import { ObjectClass, Module, Session as GrapheneSession, Slot, KeyType } from 'graphene-pk11';
import pkcs11js from 'pkcs11js';
import type { EcCurve } from '../jose/algorithms.js';
import { publicKeyOfJwk, type PublicJwk } from '../jose/public-jwk.js';
import { AppError } from '../lib/errors.js';
import { findObjects, readFlag, readId, readLabel, readULong, type Session } from './attributes.js';
import { paramsOfCurve } from './ec-key.js';
import type { GeneratedKeyType, KeyInfo } from './messages.js';
import { callToken } from './pkcs11-failure.js';
import { fromKeyObject, publicJwkOfPrivateKey } from './public-key.js';

export interface OpenToken extends Session {
  readonly slot: pkcs11js.Handle;
}

interface NewKey {
  readonly type: GeneratedKeyType;
  readonly label: string;
  /** CKA_ID in hexadecimal. */
  readonly id: string;
}

const CURVE_OF_TYPE: ReadonlyMap<GeneratedKeyType, EcCurve> = new Map([
  ['p256', 'P-256'],
  ['p384', 'P-384'],
  ['p521', 'P-521'],
]);
const BITS_OF_TYPE: ReadonlyMap<GeneratedKeyType, number> = new Map([
  ['rsa2048', 2048],
  ['rsa3072', 3072],
  ['rsa4096', 4096],
]);
/** F4, as every CA accepts it. */
const PUBLIC_EXPONENT = Buffer.from([1, 0, 1]);

/** graphene's view of a session that is open already. */
function grapheneSession({ lib, slot, handle }: OpenToken): GrapheneSession {
  return new GrapheneSession(handle, new Slot(slot, new Module(lib), lib), lib);
}

/** All private keys the session sees, and public keys without one: before a login, that is all of them. */
export function listKeys(token: OpenToken): KeyInfo[] {
  const session = grapheneSession(token);
  const handlesOf = (objectClass: ObjectClass): pkcs11js.Handle[] => {
    const found = callToken('C_FindObjects', () => session.find({ class: objectClass }));
    return Array.from({ length: found.length }, (_, index) => found.items(index).handle);
  };
  const keys = handlesOf(ObjectClass.PRIVATE_KEY).map((key) => describe(token, key, true));
  for (const handle of handlesOf(ObjectClass.PUBLIC_KEY)) {
    const key = describe(token, handle, false);
    if (!keys.some((known) => known.id === key.id && known.label === key.label)) {
      keys.push(key);
    }
  }
  return keys;
}

function describe(session: Session, handle: pkcs11js.Handle, hasPrivate: boolean): KeyInfo {
  let jwk: PublicJwk | undefined;
  try {
    jwk = hasPrivate ? publicJwkOfPrivateKey(session, handle) : fromKeyObject(session, handle);
  } catch {
    // A key we cannot use is still listed, with its type alone.
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
  if (jwk.kty === 'EC') {
    return jwk.crv;
  }
  return `RSA-${publicKeyOfJwk(jwk).asymmetricKeyDetails?.modulusLength ?? 0}`;
}

function typeOfObject(session: Session, handle: pkcs11js.Handle): string {
  const type = readULong(session, handle, pkcs11js.CKA_KEY_TYPE);
  const name = type === undefined ? undefined : KeyType[type];
  return `${name ?? 'unknown'} (not supported)`;
}

/**
 * Makes a key pair in the token: it stays there (CKA_TOKEN), never leaves (CKA_SENSITIVE, not
 * CKA_EXTRACTABLE), and only signs.
 * @throws AppError TOKEN_KEY_AMBIGUOUS when a key has the label or the ID already; TOKEN_FAILED
 */
export function generateKey(token: OpenToken, wanted: NewKey): KeyInfo {
  refuseDuplicate(token, wanted);
  const id = Buffer.from(wanted.id, 'hex');
  const names = { label: wanted.label, id };
  const curve = CURVE_OF_TYPE.get(wanted.type);
  const shape =
    curve === undefined
      ? { modulusBits: BITS_OF_TYPE.get(wanted.type) ?? 0, publicExponent: PUBLIC_EXPONENT }
      : { paramsECDSA: paramsOfCurve(curve) };
  const keyType = curve === undefined ? KeyType.RSA : KeyType.EC;
  const pair = callToken('C_GenerateKeyPair', () =>
    grapheneSession(token).generateKeyPair(
      curve === undefined ? pkcs11js.CKM_RSA_PKCS_KEY_PAIR_GEN : pkcs11js.CKM_EC_KEY_PAIR_GEN,
      {
        keyType,
        token: true,
        private: false,
        verify: true,
        encrypt: false,
        wrap: false,
        ...names,
        ...shape,
      },
      {
        keyType,
        token: true,
        private: true,
        sensitive: true,
        extractable: false,
        sign: true,
        decrypt: false,
        unwrap: false,
        derive: false,
        ...names,
      },
    ),
  );
  refuseWeak(token, pair.privateKey.handle);
  return describe(token, pair.privateKey.handle, true);
}

function refuseDuplicate(session: Session, { label, id }: NewKey): void {
  const taken = (attribute: pkcs11js.Attribute): boolean =>
    [pkcs11js.CKO_PRIVATE_KEY, pkcs11js.CKO_PUBLIC_KEY].some(
      (value) => findObjects(session, [{ type: pkcs11js.CKA_CLASS, value }, attribute]).length > 0,
    );
  const problem = taken({ type: pkcs11js.CKA_LABEL, value: label })
    ? `label ${JSON.stringify(label)}`
    : taken({ type: pkcs11js.CKA_ID, value: Buffer.from(id, 'hex') })
      ? `ID ${id}`
      : undefined;
  if (problem !== undefined) {
    throw new AppError('TOKEN_KEY_AMBIGUOUS', `key: the token has a key with ${problem} already`, {
      hint: 'choose another --label and --id; `clavigerd key list` shows what there is',
    });
  }
}

/** The template asked for it; this looks whether the token did it. */
function refuseWeak(session: Session, key: pkcs11js.Handle): void {
  const sensitive = readFlag(session, key, pkcs11js.CKA_SENSITIVE);
  const extractable = readFlag(session, key, pkcs11js.CKA_EXTRACTABLE);
  if (!sensitive || extractable) {
    throw new AppError('TOKEN_FAILED', 'key: made, but the token would let it be read out', {
      hint: 'do not use this key: delete it with the tool of the token',
    });
  }
}
