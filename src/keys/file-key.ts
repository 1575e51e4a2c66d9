// Runs in the daemon: an account key in a PEM file, signed with node:crypto in this process.
// Keeps the KeyObject alone: the file's bytes and the passphrase are wiped once it is made.

import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { algorithmOfKey } from '../jose/algorithms.js';
import { jwkOfKey } from '../jose/public-jwk.js';
import { AppError, systemCodeOf } from '../lib/errors.js';
import { readPrivateFile } from '../sys/private-file.js';
import type { AccountKey } from './account-key.js';
import type { KeyContext } from './key-context.js';
import { parsePinSource, readPin } from './pin-source.js';
import { SoftwareSigner } from './software-signer.js';

const HINT =
  'a PEM file with one private key is wanted: PKCS #8, encrypted or not, PKCS #1 or SEC 1';

/**
 * Opens a PEM key file: PKCS #8 (encrypted too), PKCS #1 or SEC 1.
 * @throws AppError KEY_FILE for what is no usable private key; KEY_PIN for its passphrase; SYS_FILE or
 *   SYS_UNSAFE_PATH for a file that cannot be read, or that others can; JOSE_UNSUPPORTED_KEY
 */
export async function openFileKey(path: string, context: KeyContext): Promise<AccountKey> {
  if (!isAbsolute(path)) {
    throw new AppError('KEY_FILE', `account key: ${path}: the path is not absolute`);
  }
  const pem = readPrivateFile(path, 'account key');
  try {
    const privateKey = await parseKey(pem, path, context);
    const algorithm = algorithmOfKey(privateKey);
    const signer = new SoftwareSigner(algorithm, privateKey);
    return {
      algorithm,
      jwk: jwkOfKey(privateKey),
      publicKey: createPublicKey(privateKey),
      description: `file:${path}`,
      sign: (input) => signer.sign(input),
      close: () => Promise.resolve(),
    };
  } finally {
    pem.fill(0);
  }
}

async function parseKey(pem: Buffer, path: string, context: KeyContext): Promise<KeyObject> {
  const label = pemLabelOf(pem, path);
  const encrypted = label === 'ENCRYPTED PRIVATE KEY' || pem.includes('Proc-Type: 4,ENCRYPTED');
  if (!encrypted) {
    return createKey(pem, undefined, path);
  }
  const source = parsePinSource(context.pinSource ?? 'prompt');
  const passphrase = await readPin(source, `Passphrase of ${path}`, context);
  try {
    return passphrase.use((bytes) => createKey(pem, bytes, path));
  } finally {
    passphrase.wipe();
  }
}

/** What kind of PEM this is, refused with its name where it is no private key. */
function pemLabelOf(pem: Buffer, path: string): string {
  const labels = [...pem.toString('latin1').matchAll(/^-----BEGIN ([A-Z0-9 ]{1,64})-----\r?$/gm)]
    .map((match) => match[1] ?? '')
    .filter((label) => label !== 'EC PARAMETERS');
  const [label] = labels;
  if (label === undefined) {
    throw new AppError('KEY_FILE', `account key: ${path}: not a PEM file`, { hint: HINT });
  }
  if (labels.length > 1 || !label.endsWith('PRIVATE KEY') || label.startsWith('OPENSSH')) {
    const what = labels
      .map((name) => name.toLowerCase())
      .join(', ')
      .slice(0, 200);
    throw new AppError('KEY_FILE', `account key: ${path}: holds ${what}`, { hint: HINT });
  }
  return label;
}

function createKey(pem: Buffer, passphrase: Buffer | undefined, path: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase && { passphrase }) });
  } catch (error) {
    // OpenSSL's words are kept out: they speak of DECODER routines, and of nothing that helps.
    if (passphrase !== undefined) {
      throw new AppError(
        'KEY_PIN',
        `account key: ${path}: the passphrase is wrong, or the file damaged`,
      );
    }
    throw new AppError(
      'KEY_FILE',
      `account key: ${path}: not a private key (${systemCodeOf(error) ?? 'unreadable'})`,
      { hint: HINT },
    );
  }
}
