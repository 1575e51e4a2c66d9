// Runs in clavigerd and `clavigerd key`: an account key in a file that openpgp.js decrypts in this
// process, for hosts without gpg. The library is imported here, and only for such a key. One
// passphrase is tried, once.

import { isAbsolute } from 'node:path';
import type * as OpenPgp from 'openpgp';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Secret } from '../../lib/secret.js';
import { readPrivateFile, readUnwritableFile } from '../../sys/files/private-file.js';
import type { AccountKey } from '../account-key.js';
import { openDecryptedKey } from './decrypted-key.js';
import type { KeyContext } from '../key-context.js';
import { parseEncryptedMessage } from './openpgp-message.js';
import { parsePinSource, readPin } from '../pin/pin-source.js';

type Library = typeof OpenPgp;

/** Limit of the decompressed message: an account key has a few kilobytes. */
const MAX_PLAINTEXT_BYTES = 64 * 1024;
const MAX_TOLD_CHARACTERS = 200;
const KEY_HINT =
  'openpgp-key is made by: gpg --export-secret-keys ID (one key; a key in a card needs gpg:PATH)';

/**
 * Decrypts the file with the secret key of `context.openpgpKey`, or with a passphrase alone where
 * the message is encrypted with one, and opens the key in it.
 * @throws AppError KEY_DECRYPT when the file is no encrypted message, none for that key, or the
 *   passphrase is wrong; KEY_PIN where there is none; KEY_FILE for decrypted bytes that are no
 *   private key; SYS_FILE or SYS_UNSAFE_PATH; JOSE_UNSUPPORTED_KEY
 */
export async function openOpenPgpKey(path: string, context: KeyContext): Promise<AccountKey> {
  if (!isAbsolute(path)) {
    throw new AppError('KEY_FILE', `account key: ${path}: the path is not absolute`);
  }
  const encrypted = parseEncryptedMessage(readUnwritableFile(path, 'account key'), path);
  const keyPath = context.openpgpKey;
  if (keyPath === undefined && !encrypted.hasPassphrase) {
    throw failure(path, 'encrypted to a key, and openpgp-key names none', KEY_HINT);
  }
  const openpgp = await import('openpgp');
  const binaryMessage = new Uint8Array(encrypted.binary);
  const message = await openpgp.readMessage({ binaryMessage }).catch((error: unknown) => {
    throw failure(path, reasonOf(error));
  });
  const plaintext =
    keyPath === undefined || !encrypted.hasRecipient
      ? await decryptWithPassphrase({ openpgp, message, path, context })
      : await decryptWithKey({ openpgp, message, path, context }, keyPath);
  return openDecryptedKey(plaintext, path, `openpgp:${path}`);
}

interface Decryption {
  readonly openpgp: Library;
  readonly message: OpenPgp.Message<Uint8Array>;
  readonly path: string;
  readonly context: KeyContext;
}

async function decryptWithPassphrase(decryption: Decryption): Promise<Buffer> {
  const { path, context } = decryption;
  const passphrase = await askPassphrase(path, context);
  return await decrypt(decryption, { passwords: passphrase }, () => {
    // In messages of the oldest kind a wrong passphrase looks like a damaged message, so that one
    // error stands for both.
    return new AppError(
      'KEY_DECRYPT',
      `account key: ${path}: the passphrase is wrong, or the message damaged`,
      { hint: 'one attempt was made; correct the source, then start again' },
    );
  });
}

async function decryptWithKey(decryption: Decryption, keyPath: string): Promise<Buffer> {
  const { message, path } = decryption;
  const key = await readSecretKey(decryption.openpgp, keyPath);
  const recipients = message.getEncryptionKeyIDs();
  if (!recipients.some((id) => key.getKeys(id).length > 0)) {
    const wanted = recipients.map((id) => id.toHex().toUpperCase()).join(', ');
    throw failure(path, `encrypted to ${wanted}, which ${keyPath} does not hold`, KEY_HINT);
  }
  const decryptionKeys = await unlock(decryption, key, keyPath);
  return await decrypt(decryption, { decryptionKeys }, (error) => failure(path, reasonOf(error)));
}

async function readSecretKey(openpgp: Library, keyPath: string): Promise<OpenPgp.PrivateKey> {
  const bytes = readPrivateFile(keyPath, 'OpenPGP key');
  const isBinary = ((bytes[0] ?? 0) & 0x80) !== 0;
  try {
    const keys = isBinary
      ? await openpgp.readPrivateKeys({ binaryKeys: new Uint8Array(bytes) })
      : await openpgp.readPrivateKeys({ armoredKeys: bytes.toString('latin1') });
    const [key] = keys;
    if (key === undefined || keys.length !== 1) {
      throw failure(keyPath, `holds ${keys.length} keys, and one is wanted`, KEY_HINT);
    }
    return key;
  } catch (error) {
    throw error instanceof AppError ? error : failure(keyPath, reasonOf(error), KEY_HINT);
  } finally {
    bytes.fill(0);
  }
}

/** The key with its secret parts decrypted. */
async function unlock(
  { openpgp, context }: Decryption,
  privateKey: OpenPgp.PrivateKey,
  keyPath: string,
): Promise<OpenPgp.PrivateKey> {
  if (privateKey.isDecrypted()) {
    return privateKey;
  }
  const passphrase = await askPassphrase(keyPath, context);
  try {
    return await openpgp.decryptKey({ privateKey, passphrase });
  } catch (error) {
    throw /incorrect key passphrase/i.test(messageOf(error))
      ? new AppError('KEY_DECRYPT', `OpenPGP key: ${keyPath}: the passphrase is wrong`, {
          hint: 'one attempt was made; correct the source, then start again',
        })
      : failure(keyPath, reasonOf(error), KEY_HINT);
  }
}

async function decrypt(
  { openpgp, message }: Decryption,
  secret: { readonly passwords: string } | { readonly decryptionKeys: OpenPgp.PrivateKey },
  explain: (error: unknown) => AppError,
): Promise<Buffer> {
  try {
    const result: { readonly data: unknown } = await openpgp.decrypt({
      message,
      ...secret,
      format: 'binary',
      config: {
        allowUnauthenticatedMessages: false,
        maxDecompressedMessageSize: MAX_PLAINTEXT_BYTES,
      },
    });
    const { data } = result;
    if (!(data instanceof Uint8Array)) {
      throw new Error('the plaintext is no bytes');
    }
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  } catch (error) {
    throw explain(error);
  }
}

/**
 * openpgp.js takes a passphrase as a string, which cannot be wiped; it exists until the garbage
 * collector frees it.
 */
async function askPassphrase(path: string, context: KeyContext): Promise<string> {
  const source = parsePinSource(context.pinSource ?? 'prompt');
  const secret = await readPin(source, `Passphrase of ${path}`, context);
  try {
    return secretText(secret);
  } finally {
    secret.wipe();
  }
}

function secretText(secret: Secret): string {
  try {
    return secret.use((bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new AppError('KEY_PIN', 'passphrase: not UTF-8, which OpenPGP wants');
  }
}

/** The library's message, which names packets and never secrets. */
function reasonOf(error: unknown): string {
  return printable(messageOf(error), MAX_TOLD_CHARACTERS);
}

function failure(path: string, problem: string, hint?: string): AppError {
  return new AppError('KEY_DECRYPT', `account key: ${path}: ${problem}`, { hint });
}
