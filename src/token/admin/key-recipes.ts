// Runs in the token helper, for `clavigerd key generate` alone: mechanism and template of each key
// type.

import { KeyType, type ITemplate } from 'graphene-pk11';
import pkcs11js from 'pkcs11js';
import { paramsOfCurve, type TokenCurve } from '../ec-key.js';
import { CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN } from '../mechanisms.js';
import type { GeneratedKeyType } from '../messages.js';

export interface PairRecipe {
  readonly keyType: number;
  readonly mechanism: number;
  readonly mechanismName: string;
  /** Size of the key in C_GetMechanismInfo's unit; undefined where modules differ in that. */
  readonly bits: number | undefined;
  readonly shape: ITemplate;
}

/** 65537 (F4), which every CA accepts. */
const PUBLIC_EXPONENT = Buffer.from([1, 0, 1]);

/** For C_GenerateKeyPair. */
export const KEY_RECIPES: Readonly<Record<GeneratedKeyType, PairRecipe>> = {
  rsa2048: rsa(2048),
  rsa3072: rsa(3072),
  rsa4096: rsa(4096),
  p256: weierstrass('P-256', 256),
  p384: weierstrass('P-384', 384),
  p521: weierstrass('P-521', 521),
  ed25519: edwards('Ed25519'),
  ed448: edwards('Ed448'),
};

function rsa(modulusBits: number): PairRecipe {
  return {
    keyType: KeyType.RSA,
    mechanism: pkcs11js.CKM_RSA_PKCS_KEY_PAIR_GEN,
    mechanismName: 'CKM_RSA_PKCS_KEY_PAIR_GEN',
    bits: modulusBits,
    shape: { modulusBits, publicExponent: PUBLIC_EXPONENT },
  };
}

function weierstrass(curve: TokenCurve, bits: number): PairRecipe {
  return {
    keyType: KeyType.EC,
    mechanism: pkcs11js.CKM_EC_KEY_PAIR_GEN,
    mechanismName: 'CKM_EC_KEY_PAIR_GEN',
    bits,
    shape: { paramsECDSA: paramsOfCurve(curve) },
  };
}

function edwards(curve: TokenCurve): PairRecipe {
  return {
    keyType: CKK_EC_EDWARDS,
    mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN,
    mechanismName: 'CKM_EC_EDWARDS_KEY_PAIR_GEN',
    bits: undefined,
    shape: { paramsECDSA: paramsOfCurve(curve) },
  };
}
