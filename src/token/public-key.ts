// Runs in the token helper: the public half of a key, from whichever object of the token shows it.
// Does not trust the token; clavigerd parses the result again and verifies every signature with it.

import { createPublicKey, X509Certificate } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { formatPublicJwk, jwkOfKey, type PublicJwk } from '../jose/public-jwk.js';
import {
  findObjects,
  readAttribute,
  readId,
  readLabel,
  readULong,
  type Session,
} from './attributes.js';
import { ecJwkOf } from './ec-key.js';
import { CKK_EC_EDWARDS } from './mechanisms.js';

/** PKCS#11 2.40 §4.9; pkcs11js has no name for it. */
const CKA_PUBLIC_KEY_INFO = 0x129;

/**
 * The public key that belongs to a private key: the public object with the same CKA_ID (with the
 * same label, where the key has no ID), else the certificate of the same, else the private object
 * itself, by its numbers or its CKA_PUBLIC_KEY_INFO. Of several with one ID, that of the same
 * label.
 * @throws AppError TOKEN_KEY_UNSUPPORTED when none of them shows a key of a supported type;
 *   TOKEN_KEY_AMBIGUOUS when several keys could be meant.
 */
export function publicJwkOfPrivateKey(session: Session, key: pkcs11js.Handle): PublicJwk {
  const problems: string[] = [];
  for (const read of [fromPublicObjects, fromCertificates, fromKeyObject, fromKeyInfo]) {
    try {
      const jwk = read(session, key);
      if (jwk !== undefined) {
        return jwk;
      }
    } catch (error) {
      if (isAppError(error, 'TOKEN_KEY_AMBIGUOUS')) {
        throw error;
      }
      problems.push(messageOf(error));
    }
  }
  const problem = problems[0] ?? 'key: the token shows no public key for it';
  throw new AppError('TOKEN_KEY_UNSUPPORTED', problem, {
    hint: 'the token needs the public key or a certificate with the same CKA_ID as the private key',
  });
}

function fromPublicObjects(session: Session, key: pkcs11js.Handle): PublicJwk | undefined {
  return companionOf(session, key, pkcs11js.CKO_PUBLIC_KEY, (object) =>
    fromKeyObject(session, object),
  );
}

function fromCertificates(session: Session, key: pkcs11js.Handle): PublicJwk | undefined {
  return companionOf(session, key, pkcs11js.CKO_CERTIFICATE, (object) => {
    const der = readAttribute(session, object, pkcs11js.CKA_VALUE);
    return der === undefined ? undefined : jwkOfKey(new X509Certificate(der).publicKey);
  });
}

/** A SubjectPublicKeyInfo in DER, empty where the token has none. */
function fromKeyInfo(session: Session, key: pkcs11js.Handle): PublicJwk | undefined {
  const der = readAttribute(session, key, CKA_PUBLIC_KEY_INFO);
  return der === undefined || der.length === 0
    ? undefined
    : jwkOfKey(createPublicKey({ key: der, format: 'der', type: 'spki' }));
}

type JwkReader = (object: pkcs11js.Handle) => PublicJwk | undefined;

/** CKA_ID is unique by convention alone: an object that does not fit the private key is skipped. */
function companionOf(
  session: Session,
  key: pkcs11js.Handle,
  objectClass: number,
  read: JwkReader,
): PublicJwk | undefined {
  const id = readId(session, key);
  const label = readLabel(session, key);
  const match: pkcs11js.Attribute =
    id === ''
      ? { type: pkcs11js.CKA_LABEL, value: label }
      : { type: pkcs11js.CKA_ID, value: Buffer.from(id, 'hex') };
  const objects = findObjects(session, [{ type: pkcs11js.CKA_CLASS, value: objectClass }, match]);
  const found = objects.flatMap((object) => {
    const jwk = objects.length === 1 ? read(object) : readable(object, read);
    return jwk !== undefined && fits(session, key, jwk) ? [{ object, jwk }] : [];
  });
  const named = found.filter(({ object }) => readLabel(session, object) === label);
  return onlyOne((named.length === 0 ? found : named).map(({ jwk }) => jwk));
}

/** Where several objects match, one of an unsupported type is skipped. */
function readable(object: pkcs11js.Handle, read: JwkReader): PublicJwk | undefined {
  try {
    return read(object);
  } catch {
    return undefined;
  }
}

function onlyOne(jwks: readonly PublicJwk[]): PublicJwk | undefined {
  const [first] = jwks;
  if (first !== undefined && jwks.some((jwk) => formatPublicJwk(jwk) !== formatPublicJwk(first))) {
    throw new AppError(
      'TOKEN_KEY_AMBIGUOUS',
      'key: the token holds several public keys with its CKA_ID and its label',
      { hint: 'give each key pair a CKA_ID of its own' },
    );
  }
  return first;
}

/**
 * A public key of another kind, or with other numbers than the private object shows, is another
 * key's.
 */
function fits(session: Session, key: pkcs11js.Handle, jwk: PublicJwk): boolean {
  const kind = readULong(session, key, pkcs11js.CKA_KEY_TYPE);
  switch (jwk.kty) {
    case 'RSA': {
      const modulus = readAttribute(session, key, pkcs11js.CKA_MODULUS);
      const isSame = modulus === undefined || withoutZeros(modulus) === jwk.n;
      return kind === pkcs11js.CKK_RSA && isSame;
    }
    case 'EC':
      return kind === pkcs11js.CKK_EC;
    case 'OKP':
      return kind === CKK_EC_EDWARDS;
  }
}

/** The public key in the attributes of a public key object, and of some private ones. */
export function fromKeyObject(session: Session, object: pkcs11js.Handle): PublicJwk | undefined {
  switch (readULong(session, object, pkcs11js.CKA_KEY_TYPE)) {
    case pkcs11js.CKK_RSA: {
      const n = readAttribute(session, object, pkcs11js.CKA_MODULUS);
      const e = readAttribute(session, object, pkcs11js.CKA_PUBLIC_EXPONENT);
      return n === undefined || e === undefined ? undefined : rsaJwkOf(n, e);
    }
    case pkcs11js.CKK_EC:
    case CKK_EC_EDWARDS: {
      const params = readAttribute(session, object, pkcs11js.CKA_EC_PARAMS);
      const point = readAttribute(session, object, pkcs11js.CKA_EC_POINT);
      return params === undefined || point === undefined ? undefined : ecJwkOf(params, point);
    }
    default:
      return undefined;
  }
}

/**
 * RFC 7518 §6.3.1: big-endian without leading zero bytes, which some tokens put before the modulus.
 */
function rsaJwkOf(modulus: Buffer, exponent: Buffer): PublicJwk {
  return { e: withoutZeros(exponent), kty: 'RSA', n: withoutZeros(modulus) };
}

function withoutZeros(number: Buffer): string {
  const start = number.findIndex((byte) => byte !== 0);
  return number.subarray(start === -1 ? number.length : start).toString('base64url');
}
