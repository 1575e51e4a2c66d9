// Runs in clavigerd and `clavigerd key`: makes an account key of bytes that gpg or openpgp.js
// decrypted. They must be exactly one private key in PEM, and are wiped in any case.

import { AppError } from '../../lib/errors.js';
import type { AccountKey } from '../account-key.js';
import { isEncryptedPemKey, parsePemKey } from './pem-key.js';
import { softwareAccountKey } from './software-key.js';

/**
 * Makes the account key, and wipes `plaintext`.
 * @param path the encrypted file, for errors; @param description for the log.
 * @throws AppError KEY_FILE for anything but one private key; JOSE_UNSUPPORTED_KEY
 */
export function openDecryptedKey(plaintext: Buffer, path: string, description: string): AccountKey {
  const name = `${path}, decrypted`;
  try {
    if (isEncryptedPemKey(plaintext, name)) {
      throw new AppError('KEY_FILE', `account key: ${name}: is encrypted once more`, {
        hint: 'encrypt the file with OpenPGP alone: openssl pkey -in KEY takes the inner passphrase off',
      });
    }
    return softwareAccountKey(parsePemKey(plaintext, name), description);
  } finally {
    plaintext.fill(0);
  }
}
