// The certificate's private key: read from its file, or generated. Runs in claviger. This is the
// web server's key, never the account's. It is in this process and its file only.

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import type { Stats } from 'node:fs';
import { promisify } from 'node:util';
import { DEFAULT_KEY_TYPE, type ServerKeyType } from '../../config/client/schema.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import type { NewFile } from '../../sys/files/atomic-file.js';
import { pathTrouble } from '../../sys/files/path-trouble.js';
import { assertOpenedThere } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';
import { readBoundedFile } from '../../sys/files/bounded-file.js';

const MAX_KEY_BYTES = 64 * 1024;
const PRIVATE_MODE = 0o600;
/** Any right of others, and writing by the group. A group that may read (ssl-cert) is usual. */
const TOO_OPEN = 0o027;
const MIN_RSA_BITS = 2048;

const generate = promisify(generateKeyPair);

/**
 * Keys are generated as DER and read back. A generated KeyObject shares a lock with the job that
 * made it: if the garbage collector frees the job while asymmetricKeyDetails or export holds the
 * lock, Node 20 deadlocks.
 */
const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const;
const publicKeyEncoding = { type: 'spki', format: 'der' } as const;

const EC_CURVES: Readonly<Partial<Record<ServerKeyType, string>>> = {
  p256: 'P-256',
  p384: 'P-384',
};
const RSA_BITS: Readonly<Partial<Record<ServerKeyType, number>>> = {
  rsa2048: 2048,
  rsa3072: 3072,
  rsa4096: 4096,
};

/** Length of a SubjectPublicKeyInfo in DER with a named curve and an uncompressed point. */
const PLAIN_SPKI_BYTES: Readonly<Record<string, number>> = { prime256v1: 91, secp384r1: 120 };

export interface ServerKey {
  readonly privateKey: KeyObject;
  readonly type: string;
  /** For a new key, which is in no file yet: the file to create. */
  readonly file: NewFile | undefined;
}

/**
 * Reads the key, or generates one. A new key gets its file (PKCS #8 PEM, mode 0600) together with
 * its certificate: a web server must never find it beside the certificate of another key.
 * @param wanted the type asked for, which an existing key must then have
 * @throws AppError CLIENT_KEY
 */
export async function openServerKey(
  path: string,
  wanted: ServerKeyType | undefined,
): Promise<ServerKey> {
  const existing = await readServerKey(path);
  if (existing === undefined) {
    return await generateServerKey(path, wanted ?? DEFAULT_KEY_TYPE);
  }
  const type = serverKeyType(path, existing);
  if (wanted !== undefined && wanted !== type) {
    throw new AppError('CLIENT_KEY', `${path}: is a ${type} key, and ${wanted} was asked for`, {
      hint: 'name another file, or move the old key away to have a new one made',
    });
  }
  return { privateKey: existing, type, file: undefined };
}

/**
 * The key in a file; undefined when there is no file.
 * @throws AppError CLIENT_KEY when others can read it, or it is no unencrypted PEM private key;
 *   SYS_UNSAFE_PATH when others could put another file there; SYS_PATH when it is closed to this
 *   user
 */
export async function readServerKey(path: string): Promise<KeyObject | undefined> {
  const pem = await readPrivateFile(path);
  if (pem === undefined) {
    return undefined;
  }
  try {
    return withPlainEncoding(createPrivateKey(pem));
  } catch (error) {
    const isEncrypted = pem.includes('ENCRYPTED');
    throw new AppError(
      'CLIENT_KEY',
      `${path}: ${isEncrypted ? 'the private key is encrypted' : 'is not a PEM private key'}`,
      {
        hint: isEncrypted ? 'a key used without anybody there cannot have a passphrase' : undefined,
        cause: error,
      },
    );
  } finally {
    pem.fill(0);
  }
}

/**
 * The same key with a named curve and an uncompressed point. A file may have explicit curve
 * parameters or a compressed point (RFC 5480 §2.1.1, §2.2), which authorities refuse, at the end of
 * an order.
 */
function withPlainEncoding(key: KeyObject): KeyObject {
  const plainBytes = PLAIN_SPKI_BYTES[key.asymmetricKeyDetails?.namedCurve ?? ''];
  const { length } = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return plainBytes === undefined || plainBytes === length
    ? key
    : createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
}

async function readPrivateFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readBoundedFile(path, MAX_KEY_BYTES, (stats) => {
      assertPrivate(path, stats);
      assertOpenedThere(path, stats, effectiveUserId());
    });
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    if (error instanceof AppError) {
      throw error;
    }
    throw systemCodeOf(error) === undefined
      ? new AppError('CLIENT_KEY', `${path}: ${messageOf(error)}`, { cause: error })
      : pathTrouble('key', path, error);
  }
}

function assertPrivate(path: string, stats: Stats): void {
  if ((stats.mode & TOO_OPEN) !== 0) {
    throw new AppError('CLIENT_KEY', `${path}: other users can read or write the private key`, {
      hint: `chmod 0600 ${path}, and replace the key if others may have read it`,
    });
  }
}

async function generateServerKey(path: string, type: ServerKeyType): Promise<ServerKey> {
  const privateKey = await generateKey(type);
  const content = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return { privateKey, type, file: { path, content, mode: PRIVATE_MODE, isCreated: true } };
}

async function generateKey(type: ServerKeyType): Promise<KeyObject> {
  const modulusLength = RSA_BITS[type];
  const namedCurve = EC_CURVES[type] ?? 'P-256';
  const { privateKey: key } =
    modulusLength === undefined
      ? await generate('ec', { namedCurve, privateKeyEncoding, publicKeyEncoding })
      : await generate('rsa', { modulusLength, privateKeyEncoding, publicKeyEncoding });
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } finally {
    key.fill(0);
  }
}

function serverKeyType(path: string, key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && (modulusLength ?? 0) >= MIN_RSA_BITS) {
    return `rsa${modulusLength ?? 0}`;
  }
  if (namedCurve === 'prime256v1' || namedCurve === 'secp384r1') {
    return namedCurve === 'secp384r1' ? 'p384' : 'p256';
  }
  const what = namedCurve ?? `${key.asymmetricKeyType ?? 'unknown'} ${modulusLength ?? ''}`.trim();
  throw new AppError('CLIENT_KEY', `${path}: a ${what} key cannot be used for a certificate`, {
    hint: 'use P-256, P-384, or RSA of 2048 bits or more',
  });
}
