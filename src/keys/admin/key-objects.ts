// Imports, deletes and attests one key of a token, for `clavigerd key`. The attestation of a token
// is not trusted before it is compared with the key. A key is deleted only after the person has
// confirmed the one that was found.

import { randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { algorithmOfKey } from '../../jose/algorithms.js';
import { jwkOfKey, publicKeyOfJwk, parsePublicJwk } from '../../jose/public-jwk.js';
import { verifySignature } from '../../jose/signature.js';
import { AppError } from '../../lib/errors.js';
import type { KeyInfo, TokenInfo } from '../../token/messages.js';
import {
  isMatchingKey,
  openAndLogIn,
  withTokenAdmin,
  type AdminClient,
  type KeyNames,
  type Track,
} from './admin-client.js';
import type { KeyContext } from '../key-context.js';
import type { Pkcs11Uri } from '../pkcs11/uri.js';
import type { TokenKey } from './token-admin.js';
import type { HelperClient } from '../helper/helper-client.js';

const PROBE_BYTES = 32;

/** A key to be imported. */
interface KeyImport extends KeyNames {
  readonly privateKey: KeyObject;
  readonly track: Track;
}

export interface DeletedKey {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
  readonly privateKeys: number;
  readonly publicKeys: number;
  readonly certificates: number;
}

/** Throws when the key must stay. */
type Confirm = (key: KeyInfo, token: TokenInfo) => Promise<void>;

interface Attestation {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
  readonly attestation: X509Certificate;
  /** The certificate that issued it, if the token has it. */
  readonly issuer: X509Certificate | undefined;
}

/**
 * Imports a private key into the one token that matches, and verifies one signature of it.
 * @throws AppError TOKEN_*, KEY_*; TOKEN_KEY_AMBIGUOUS when the label or the ID is taken;
 *   JOSE_UNSUPPORTED_KEY
 */
export function importTokenKey(
  uri: Pkcs11Uri,
  wanted: KeyImport,
  context: KeyContext,
): Promise<TokenKey> {
  algorithmOfKey(wanted.privateKey);
  return withTokenAdmin(uri, context, (admin) => importKeyWith(admin, uri, wanted, context));
}

/** The same with a helper that runs already. */
export async function importKeyWith(
  admin: AdminClient,
  uri: Pkcs11Uri,
  { privateKey, track, ...names }: KeyImport,
  context: KeyContext,
): Promise<TokenKey> {
  const token = await openAndLogIn(admin.session, uri, 'write', context);
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  try {
    const key = await track(async () => {
      const made = await admin.importKey(names, pkcs8);
      await assertSigns(admin, names, privateKey);
      return made;
    });
    return { token, key, jwk: jwkOfKey(privateKey), privateHalf: 'present' };
  } finally {
    pkcs8.fill(0);
  }
}

/** Deletes the imported key again if its signature is wrong. */
async function assertSigns(
  admin: AdminClient,
  names: KeyNames,
  privateKey: KeyObject,
): Promise<void> {
  const { session } = admin;
  try {
    const probe = randomBytes(PROBE_BYTES);
    await session.selectKey(names);
    const signature = await session.sign(probe);
    const publicKey = publicKeyOfJwk(jwkOfKey(privateKey));
    if (!verifySignature(algorithmOfKey(privateKey), publicKey, probe, signature)) {
      throw new AppError('KEY_BAD_SIGNATURE', 'key: imported, but its signature is wrong');
    }
  } catch (error) {
    await admin.deleteKey(names);
    throw error;
  }
}

/**
 * Deletes the one key that matches: private key, public key and certificates of its ID.
 * @throws AppError TOKEN_*, KEY_*; what `confirm` throws
 */
export function deleteTokenKey(
  uri: Pkcs11Uri,
  confirm: Confirm,
  context: KeyContext,
): Promise<DeletedKey> {
  return withTokenAdmin(uri, context, (admin) => deleteKeyWith(admin, uri, confirm, context));
}

/** The same with a helper that runs already. */
export async function deleteKeyWith(
  admin: AdminClient,
  uri: Pkcs11Uri,
  confirm: Confirm,
  context: KeyContext,
): Promise<DeletedKey> {
  const token = await openAndLogIn(admin.session, uri, 'write', context);
  const key = await findOne(admin.session, uri);
  await confirm(key, token);
  const { privateKeys, publicKeys, certificates } = await admin.deleteKey(key);
  return { token, key, privateKeys, publicKeys, certificates };
}

/**
 * The attestation of the one key that matches, checked to be of that key.
 * @throws AppError TOKEN_*, KEY_*; TOKEN_KEY_UNSUPPORTED when the module offers none
 */
export function attestTokenKey(
  uri: Pkcs11Uri,
  track: Track,
  context: KeyContext,
): Promise<Attestation> {
  return withTokenAdmin(uri, context, (admin) => attestKeyWith(admin, uri, track, context));
}

/** The same with a helper that runs already. */
export async function attestKeyWith(
  admin: AdminClient,
  uri: Pkcs11Uri,
  track: Track,
  context: KeyContext,
): Promise<Attestation> {
  const token = await openAndLogIn(admin.session, uri, 'read', context);
  const key = await findOne(admin.session, uri);
  const [first, second] = (await track(() => admin.attest(key))).map(parseCertificate);
  const wanted = JSON.stringify(parsePublicJwk(key.jwk));
  if (first === undefined || JSON.stringify(jwkOfKey(first.publicKey)) !== wanted) {
    throw new AppError('TOKEN_FAILED', 'key: the attestation is of another key');
  }
  const issuer = second !== undefined && first.verify(second.publicKey) ? second : undefined;
  return { token, key, attestation: first, issuer };
}

function parseCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (error) {
    throw new AppError('TOKEN_FAILED', 'key: the attestation is no certificate', { cause: error });
  }
}

/** The private key that matches; where there is none, the public key. */
async function findOne(session: HelperClient, uri: Pkcs11Uri): Promise<KeyInfo> {
  const matching = (await session.listKeys()).filter((key) => isMatchingKey(key, uri));
  const privateKeys = matching.filter(({ hasPrivate }) => hasPrivate);
  const [first, second] = privateKeys.length > 0 ? privateKeys : matching;
  if (first === undefined || second !== undefined) {
    // With no private key or several this fails, with a table of the keys.
    await session.selectKey(uri.key);
    throw new AppError('TOKEN_KEY_AMBIGUOUS', 'key: several public keys match', {
      hint: 'name one by object= and id=; `clavigerd key list` shows them',
    });
  }
  return first;
}
