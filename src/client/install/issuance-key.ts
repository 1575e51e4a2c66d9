// The key of one issuance: the key of the installed certificate, the stored one of an unfinished
// order, or a new one. Runs in claviger.

import { createPublicKey } from 'node:crypto';
import type { CertificateConfig } from '../../config/client/certificate.js';
import { decodeBase64Url } from '../../lib/base64url.js';
import { AppError, isAppError, messageOf } from '../../lib/errors.js';
import { createCsr } from './csr.js';
import type { ServerIdentifier } from '../../x509/identifier.js';
import { roomHint } from './disk-room.js';
import type { RememberedOrder, SentRequest } from '../state/order-memory.js';
import {
  dropPendingKey,
  isKeyOfSpki,
  keepPendingKey,
  pendingKeyPath,
  readPendingKey,
} from './pending-key.js';
import { openServerKey, type ServerKey } from './server-key.js';

const PRIVATE_MODE = 0o600;

export interface IssuanceKey extends ServerKey {
  /** True for the stored key of the unfinished order. */
  readonly isPending: boolean;
}

/**
 * Opens the certificate's key, or the one of the unfinished order, or generates one.
 * @throws AppError CLIENT_KEY
 */
export async function openIssuanceKey(
  certificate: CertificateConfig,
  unfinished: RememberedOrder | undefined,
): Promise<IssuanceKey> {
  const { key: path, keyType } = certificate;
  const key = await openServerKey(path, keyType);
  if (key.file === undefined || unfinished === undefined) {
    return { ...key, isPending: false };
  }
  return (
    (await openPendingKey(certificate, decodeBase64Url(unfinished.publicKey))) ?? {
      ...key,
      isPending: false,
    }
  );
}

async function openPendingKey(
  { key: path, keyType }: CertificateConfig,
  publicKey: Uint8Array,
): Promise<IssuanceKey | undefined> {
  const privateKey = await readPendingKey(path, publicKey);
  if (privateKey === undefined) {
    return undefined;
  }
  try {
    const { type } = await openServerKey(pendingKeyPath(path), keyType);
    const content = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const file = { path, content, mode: PRIVATE_MODE, isCreated: true };
    return { privateKey, type, file, isPending: true };
  } catch (error) {
    if (isAppError(error, 'CLIENT_KEY')) {
      return undefined; // the configuration wants another type by now
    }
    throw error;
  }
}

/** The request to be sent: that of the unfinished order if it is for this key, else a new one. */
export async function requestFor(
  key: ServerKey,
  identifiers: readonly ServerIdentifier[],
  unfinished: RememberedOrder | undefined,
): Promise<SentRequest & { readonly isKnown: boolean }> {
  if (unfinished !== undefined) {
    const publicKey = decodeBase64Url(unfinished.publicKey);
    if (isKeyOfSpki(key.privateKey, publicKey)) {
      return { csr: decodeBase64Url(unfinished.csr), publicKey, isKnown: true };
    }
  }
  const publicKey = createPublicKey(key.privateKey).export({ type: 'spki', format: 'der' });
  return { csr: await createCsr(key.privateKey, identifiers), publicKey, isKnown: false };
}

/**
 * Stores a new key until its certificate is installed. Where the disk has no room for it, it would
 * have none for the certificate.
 * @throws AppError CLIENT_INSTALL
 */
export async function keepKey({ file }: ServerKey): Promise<void> {
  if (file === undefined) {
    return;
  }
  try {
    await keepPendingKey(file);
  } catch (error) {
    throw new AppError('CLIENT_INSTALL', `the new key: ${messageOf(error)}`, {
      hint: roomHint(error),
      cause: error,
    });
  }
}

/** Removes what `keepKey` has stored; a failure is ignored. */
export async function dropKey(certificate: CertificateConfig): Promise<void> {
  await dropPendingKey(certificate.key).catch(() => undefined);
}
