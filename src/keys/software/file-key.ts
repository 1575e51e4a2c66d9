// Runs in clavigerd and `clavigerd key`: an account key in a PEM file, which node:crypto signs with
// in this process. Keeps the KeyObject alone: the bytes of the file and the passphrase are wiped
// once it is made. A file that other users can read is refused.

import type { KeyObject } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { AppError } from '../../lib/errors.js';
import { readPrivateFile } from '../../sys/files/private-file.js';
import type { AccountKey } from '../account-key.js';
import type { KeyContext } from '../key-context.js';
import { isEncryptedPemKey, parsePemKey } from './pem-key.js';
import { parsePinSource, readPin } from '../pin/pin-source.js';
import { softwareAccountKey } from './software-key.js';

/**
 * Opens a PEM key file: PKCS #8 (encrypted too), PKCS #1 or SEC 1.
 * @throws AppError KEY_FILE for what is no usable private key; KEY_DECRYPT for a wrong passphrase,
 *   KEY_PIN where there is none; SYS_FILE or SYS_UNSAFE_PATH for a file that cannot be read, or
 *   that others can; JOSE_UNSUPPORTED_KEY
 */
export async function openFileKey(path: string, context: KeyContext): Promise<AccountKey> {
  if (!isAbsolute(path)) {
    throw new AppError('KEY_FILE', `account key: ${path}: the path is not absolute`);
  }
  const pem = readPrivateFile(path, 'account key');
  try {
    return softwareAccountKey(await parseKey(pem, path, context), `file:${path}`);
  } finally {
    pem.fill(0);
  }
}

async function parseKey(pem: Buffer, path: string, context: KeyContext): Promise<KeyObject> {
  if (!isEncryptedPemKey(pem, path)) {
    return parsePemKey(pem, path);
  }
  const source = parsePinSource(context.pinSource ?? 'prompt');
  const passphrase = await readPin(source, `Passphrase of ${path}`, context);
  try {
    return passphrase.use((bytes) => parsePemKey(pem, path, bytes));
  } finally {
    passphrase.wipe();
  }
}
