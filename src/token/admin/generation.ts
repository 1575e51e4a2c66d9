// Runs in the token helper, for `clavigerd key generate` alone: makes a key pair in the token.
// Imported for such a request only, with graphene-pk11; never for signing.

import type { ITemplate } from 'graphene-pk11';
import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import { findObjects, readFlag, type OpenToken, type Session } from '../attributes.js';
import { describeObject, grapheneSession } from './inventory.js';
import { KEY_RECIPES, type PairRecipe } from './key-recipes.js';
import { listMechanisms } from '../mechanisms.js';
import type { GeneratedAttribute, GeneratedKeyType, KeyInfo } from '../messages.js';
import { callToken } from '../pkcs11-failure.js';

/** A largest key size below these is in bytes, which some modules count instead of bits. */
const LEAST_MAXIMUM = { rsa: 1024, curve: 160 };

interface NewKey {
  readonly type: GeneratedKeyType;
  readonly label: string;
  /** CKA_ID in hexadecimal. */
  readonly id: string;
  /** Attributes that the module does not take. */
  readonly omits: readonly GeneratedAttribute[];
}

/**
 * Makes a key pair in the token: it stays there (CKA_TOKEN), never leaves (CKA_SENSITIVE, not
 * CKA_EXTRACTABLE), and only signs.
 * @throws AppError TOKEN_KEY_AMBIGUOUS when a key has the label or the ID already;
 *   TOKEN_KEY_UNSUPPORTED when the token makes no such keys; TOKEN_FAILED
 */
export function generateKey(token: OpenToken, wanted: NewKey): KeyInfo {
  const recipe = KEY_RECIPES[wanted.type];
  refuseNotOffered(token, wanted.type, recipe);
  refuseDuplicate(token, wanted);
  const { publicTemplate, privateTemplate } = templatesOf(wanted, recipe);
  const pair = callToken('C_GenerateKeyPair', () =>
    grapheneSession(token).generateKeyPair(recipe.mechanism, publicTemplate, privateTemplate),
  );
  refuseWeak(token, pair.privateKey.handle);
  const made = describeObject(token, pair.privateKey.handle, true);
  if (made.jwk === undefined) {
    throw new AppError(
      'TOKEN_KEY_UNSUPPORTED',
      'key: made, but the token shows no public key for it',
      {
        hint: 'do not use this key: delete it with the tool of the token',
      },
    );
  }
  return made;
}

function refuseNotOffered(token: OpenToken, type: GeneratedKeyType, recipe: PairRecipe): void {
  const { mechanism, mechanismName, bits } = recipe;
  const range = keySizes(token, mechanism);
  const isRightSize =
    bits === undefined || range === undefined || (bits >= range.min && bits <= range.max);
  if (listMechanisms(token).has(mechanism) && isRightSize) {
    return;
  }
  throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: the token makes no ${type} keys`, {
    hint: isRightSize
      ? `it does not offer ${mechanismName}`
      : `its ${mechanismName} is for ${range.min} to ${range.max} bits`,
  });
}

/** Undefined where the module does not return it, or seems to count bytes. */
function keySizes(
  { lib, slot }: OpenToken,
  mechanism: number,
): { min: number; max: number } | undefined {
  try {
    const { minKeySize, maxKeySize } = lib.C_GetMechanismInfo(slot, mechanism);
    const least = mechanism === pkcs11js.CKM_RSA_PKCS_KEY_PAIR_GEN ? 'rsa' : 'curve';
    return maxKeySize < LEAST_MAXIMUM[least] ? undefined : { min: minKeySize, max: maxKeySize };
  } catch {
    return undefined;
  }
}

function templatesOf(
  { label, id: hexId, omits }: NewKey,
  { keyType, shape }: PairRecipe,
): { publicTemplate: ITemplate; privateTemplate: ITemplate } {
  const id = Buffer.from(hexId, 'hex');
  const common = { label, keyType, token: true };
  const forPublic = { private: false, verify: true, encrypt: false, wrap: false };
  const forPrivate = {
    private: true,
    sensitive: true,
    extractable: false,
    sign: true,
    decrypt: false,
    unwrap: false,
    derive: false,
  };
  return {
    publicTemplate: { id, ...shape, ...without({ ...common, ...forPublic }, omits) },
    privateTemplate: { id, ...without({ ...common, ...forPrivate }, omits) },
  };
}

function without(
  attributes: Readonly<Partial<Record<GeneratedAttribute, string | number | boolean>>>,
  omits: readonly string[],
): ITemplate {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !omits.includes(name)));
}

export function refuseDuplicate(
  session: Session,
  { label, id }: Pick<NewKey, 'label' | 'id'>,
): void {
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

/** Checks that the token honoured the template. */
export function refuseWeak(session: Session, key: pkcs11js.Handle): void {
  const sensitive = readFlag(session, key, pkcs11js.CKA_SENSITIVE);
  const extractable = readFlag(session, key, pkcs11js.CKA_EXTRACTABLE);
  if (!sensitive || extractable) {
    throw new AppError('TOKEN_FAILED', 'key: made, but the token would let it be read out', {
      hint: 'do not use this key: delete it with the tool of the token',
    });
  }
}
