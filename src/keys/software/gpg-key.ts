// Runs in clavigerd and `clavigerd key`: an account key in a file that gpg decrypts, so that
// gpg-agent, pinentry and OpenPGP cards work. Does not trust the file: its form is checked first,
// for gpg would also output a message that is not encrypted.

import { isAbsolute } from 'node:path';
import { AppError } from '../../lib/errors.js';
import { readUnwritableFile } from '../../sys/files/private-file.js';
import type { AccountKey } from '../account-key.js';
import { openDecryptedKey } from './decrypted-key.js';
import { runGpg } from './gpg-process.js';
import type { KeyContext } from '../key-context.js';
import { hasByteOrderMark, parseEncryptedMessage } from './openpgp-message.js';

/** The default of lacme-accountd. */
const DEFAULT_COMMAND: readonly [string, string] = ['gpg', '--quiet'];
const DEFAULT_TIMEOUT_MS = 120_000;

/**
 * Has gpg decrypt the file, once, and opens the key in it.
 * @throws AppError KEY_DECRYPT when the file is no encrypted message or gpg does not decrypt it;
 *   KEY_FILE for decrypted bytes that are no private key; SYS_FILE or SYS_UNSAFE_PATH;
 *   JOSE_UNSUPPORTED_KEY
 */
export async function openGpgKey(path: string, context: KeyContext): Promise<AccountKey> {
  if (!isAbsolute(path)) {
    throw new AppError('KEY_FILE', `account key: ${path}: the path is not absolute`);
  }
  const bytes = readUnwritableFile(path, 'account key');
  if (hasByteOrderMark(bytes)) {
    throw new AppError(
      'KEY_DECRYPT',
      `account key: ${path}: begins with a byte order mark, which gpg does not read`,
      { hint: 'an editor put it there; take it off a copy: tail -c +4 KEY > COPY' },
    );
  }
  parseEncryptedMessage(bytes, path);
  const plaintext = await runGpg({
    command: context.gpg ?? DEFAULT_COMMAND,
    path,
    env: context.env,
    log: context.log,
    timeoutMs: context.gpgTimeoutMs ?? DEFAULT_TIMEOUT_MS,
  });
  return openDecryptedKey(plaintext, path, `gpg:${path}`);
}
