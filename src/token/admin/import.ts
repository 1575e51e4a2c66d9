// Runs in the token helper, for `clavigerd key import`: copies a private key from a file into the
// token. Its bytes are wiped as far as Node allows: the numbers of its JWK are strings, which exist
// until this process ends.

import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import type { KeyNames } from './delete.js';
import type { OpenToken } from '../attributes.js';
import { paramsOfCurve, type TokenCurve } from '../ec-key.js';
import { refuseDuplicate, refuseWeak } from './generation.js';
import { describeObject } from './inventory.js';
import { CKK_EC_EDWARDS } from '../mechanisms.js';
import type { KeyInfo } from '../messages.js';
import { callToken } from '../pkcs11-failure.js';
import { TokenError } from '../token-error.js';

interface ImportedKey extends KeyNames {
  /** PKCS #8 in DER, base64. */
  readonly pkcs8: string;
}

interface KeyTemplates {
  readonly publicKey: pkcs11js.Template;
  readonly privateKey: pkcs11js.Template;
}

const CURVES: readonly TokenCurve[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'Ed448'];
const UNCOMPRESSED = 0x04;
const OCTET_STRING = 0x04;

/**
 * Makes the private and the public object; the private one is sensitive, not extractable, and only
 * signs.
 * @throws AppError TOKEN_KEY_AMBIGUOUS when the label or the ID is taken; TOKEN_KEY_UNSUPPORTED;
 *   TOKEN_FAILED when the token takes no keys from outside
 */
export function importKey(token: OpenToken, { label, id, pkcs8 }: ImportedKey): KeyInfo {
  refuseDuplicate(token, { label, id });
  const names: pkcs11js.Template = [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_LABEL, value: label },
    { type: pkcs11js.CKA_ID, value: Buffer.from(id, 'hex') },
  ];
  const templates = templatesOf(parseKey(pkcs8));
  const publicKey = create(token, [...names, ...templates.publicKey]);
  try {
    const privateKey = create(token, [...names, ...templates.privateKey]);
    try {
      refuseWeak(token, privateKey);
    } catch (error) {
      destroy(token, privateKey);
      throw error;
    }
    return describeObject(token, privateKey, true);
  } catch (error) {
    destroy(token, publicKey);
    throw error;
  } finally {
    wipe(templates.privateKey);
  }
}

function parseKey(pkcs8: string): KeyObject {
  const der = Buffer.from(pkcs8, 'base64');
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', 'key: not a private key in PKCS #8');
  } finally {
    der.fill(0);
  }
}

function create({ lib, handle }: OpenToken, template: pkcs11js.Template): pkcs11js.Handle {
  try {
    return callToken('C_CreateObject', () => lib.C_CreateObject(handle, template));
  } catch (error) {
    throw error instanceof TokenError && error.code === 'TOKEN_FAILED'
      ? new TokenError('TOKEN_FAILED', error.message, {
          hint: 'not every token takes a key from outside, or every type of key: `clavigerd key generate` makes one inside',
          returnValue: error.returnValue,
          cause: error,
        })
      : error;
  }
}

function destroy({ lib, handle }: OpenToken, object: pkcs11js.Handle): void {
  callToken('C_DestroyObject', () => {
    lib.C_DestroyObject(handle, object);
  });
}

function templatesOf(key: KeyObject): KeyTemplates {
  const jwk = key.export({ format: 'jwk' });
  const { keyType, publicShape, privateShape } = jwk.kty === 'RSA' ? rsaShapes(jwk) : ecShapes(jwk);
  const type = { type: pkcs11js.CKA_KEY_TYPE, value: keyType };
  return {
    publicKey: [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PUBLIC_KEY },
      type,
      { type: pkcs11js.CKA_PRIVATE, value: false },
      { type: pkcs11js.CKA_VERIFY, value: true },
      { type: pkcs11js.CKA_ENCRYPT, value: false },
      { type: pkcs11js.CKA_WRAP, value: false },
      ...publicShape,
    ],
    privateKey: [
      { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
      type,
      { type: pkcs11js.CKA_PRIVATE, value: true },
      { type: pkcs11js.CKA_SENSITIVE, value: true },
      { type: pkcs11js.CKA_EXTRACTABLE, value: false },
      { type: pkcs11js.CKA_SIGN, value: true },
      { type: pkcs11js.CKA_DECRYPT, value: false },
      { type: pkcs11js.CKA_UNWRAP, value: false },
      { type: pkcs11js.CKA_DERIVE, value: false },
      ...privateShape,
    ],
  };
}

interface Shapes {
  readonly keyType: number;
  readonly publicShape: pkcs11js.Template;
  readonly privateShape: pkcs11js.Template;
}

function rsaShapes(jwk: JsonWebKey): Shapes {
  const publicShape = [
    { type: pkcs11js.CKA_MODULUS, value: number(jwk.n) },
    { type: pkcs11js.CKA_PUBLIC_EXPONENT, value: number(jwk.e) },
  ];
  return {
    keyType: pkcs11js.CKK_RSA,
    publicShape,
    privateShape: [
      ...publicShape,
      { type: pkcs11js.CKA_PRIVATE_EXPONENT, value: number(jwk.d) },
      { type: pkcs11js.CKA_PRIME_1, value: number(jwk.p) },
      { type: pkcs11js.CKA_PRIME_2, value: number(jwk.q) },
      { type: pkcs11js.CKA_EXPONENT_1, value: number(jwk.dp) },
      { type: pkcs11js.CKA_EXPONENT_2, value: number(jwk.dq) },
      { type: pkcs11js.CKA_COEFFICIENT, value: number(jwk.qi) },
    ],
  };
}

function ecShapes(jwk: JsonWebKey): Shapes {
  const curve = CURVES.find((candidate) => candidate === jwk.crv);
  if (curve === undefined) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: curve ${jwk.crv ?? ''} is not supported`);
  }
  const point =
    jwk.y === undefined
      ? number(jwk.x)
      : Buffer.concat([Buffer.of(UNCOMPRESSED), number(jwk.x), number(jwk.y)]);
  // A copy: what goes into the private template is wiped.
  const params = { type: pkcs11js.CKA_EC_PARAMS, value: Buffer.from(paramsOfCurve(curve)) };
  return {
    keyType: jwk.y === undefined ? CKK_EC_EDWARDS : pkcs11js.CKK_EC,
    publicShape: [params, { type: pkcs11js.CKA_EC_POINT, value: octetString(point) }],
    privateShape: [params, { type: pkcs11js.CKA_VALUE, value: number(jwk.d) }],
  };
}

function number(base64Url: string | undefined): Buffer {
  // An allocation of its own, not of the pool: it is wiped.
  const bytes = Buffer.from(base64Url ?? '', 'base64url');
  const own = Buffer.alloc(bytes.length, bytes);
  bytes.fill(0);
  return own;
}

function octetString(point: Buffer): Buffer {
  const header = point.length < 0x80 ? [point.length] : [0x81, point.length];
  return Buffer.concat([Buffer.of(OCTET_STRING, ...header), point]);
}

function wipe(template: pkcs11js.Template): void {
  for (const { value } of template) {
    if (Buffer.isBuffer(value)) {
      value.fill(0);
    }
  }
}
