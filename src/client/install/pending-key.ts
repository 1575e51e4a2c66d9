// Stores a new server key from the request for its certificate until the certificate is installed.
// Runs in claviger. The key is in a file of mode 0600 beside its final path, so that a certificate
// that was issued is not lost with its key when the run ends early. No web server reads that file.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { lstat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAppError, systemCodeOf } from '../../lib/errors.js';
import { replaceFiles, type NewFile } from '../../sys/files/atomic-file.js';
import { effectiveUserId } from '../../sys/user.js';
import { readServerKey } from './server-key.js';

const PRIVATE_MODE = 0o600;
const PERMISSIONS = 0o777;

/** `.www.key.pending` for `www.key`. */
export function pendingKeyPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.pending`);
}

/** Stores a key that is in no file yet. System errors are thrown as Node throws them. */
export async function keepPendingKey(key: NewFile): Promise<void> {
  const { content } = key;
  await replaceFiles([{ path: pendingKeyPath(key.path), content, mode: PRIVATE_MODE }]);
}

/**
 * The stored key for a path, if it belongs to this public key. A link, or a file that another user
 * could have put there, counts as none: that user would know the key of our certificate.
 * @param publicKey DER of its SubjectPublicKeyInfo
 */
export async function readPendingKey(
  target: string,
  publicKey: Uint8Array,
): Promise<KeyObject | undefined> {
  const path = pendingKeyPath(target);
  try {
    const stats = await lstat(path);
    const isOurs = stats.isFile() && stats.uid === effectiveUserId();
    if (!isOurs || (stats.mode & PERMISSIONS) !== PRIVATE_MODE) {
      return undefined;
    }
    const key = await readServerKey(path);
    return key !== undefined && isKeyOfSpki(key, publicKey) ? key : undefined;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || isAppError(error, 'CLIENT_KEY')) {
      return undefined;
    }
    throw error;
  }
}

/** Removes the stored key for a path, if there is one. */
export async function dropPendingKey(target: string): Promise<void> {
  try {
    await unlink(pendingKeyPath(target));
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') {
      throw error;
    }
  }
}

/** True when a private key belongs to a SubjectPublicKeyInfo; compared as DER, so of any type. */
export function isKeyOfSpki(privateKey: KeyObject, publicKey: Uint8Array): boolean {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).equals(publicKey);
}
