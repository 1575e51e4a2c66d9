// The name of the cipher that a PEM private key is encrypted with, where this OpenSSL lacks it.
// Pure; runs in clavigerd and `clavigerd key`. OpenSSL 3 removed the old ciphers, and reports only
// "unsupported". Reads the parts of the key that are not encrypted.

import { getCiphers } from 'node:crypto';
import { AppError } from '../../lib/errors.js';

interface OldCipher {
  /** The name in openssl-pkcs8(1). */
  readonly name: string;
  /** The name in OpenSSL's list of ciphers. */
  readonly cipher: string;
}

/**
 * By the DER of the object identifier's contents, in hexadecimal: RFC 8018 §A.3 and §B.2, RFC 7292
 * §C.
 */
const BY_IDENTIFIER: Readonly<Record<string, OldCipher>> = {
  '2a864886f70d010501': { name: 'PBE-MD2-DES', cipher: 'des-cbc' },
  '2a864886f70d010503': { name: 'PBE-MD5-DES', cipher: 'des-cbc' },
  '2a864886f70d010504': { name: 'PBE-MD2-RC2-64', cipher: 'rc2-64-cbc' },
  '2a864886f70d010506': { name: 'PBE-MD5-RC2-64', cipher: 'rc2-64-cbc' },
  '2a864886f70d01050a': { name: 'PBE-SHA1-DES', cipher: 'des-cbc' },
  '2a864886f70d01050b': { name: 'PBE-SHA1-RC2-64', cipher: 'rc2-64-cbc' },
  '2a864886f70d010c0101': { name: 'PBE-SHA1-RC4-128', cipher: 'rc4' },
  '2a864886f70d010c0102': { name: 'PBE-SHA1-RC4-40', cipher: 'rc4-40' },
  '2a864886f70d010c0105': { name: 'PBE-SHA1-RC2-128', cipher: 'rc2-cbc' },
  '2a864886f70d010c0106': { name: 'PBE-SHA1-RC2-40', cipher: 'rc2-40-cbc' },
  '2b0e030207': { name: 'DES-CBC', cipher: 'des-cbc' },
  '2a864886f70d0302': { name: 'RC2-CBC', cipher: 'rc2-cbc' },
};
const OBJECT_IDENTIFIER = 0x06;
const SEQUENCE = 0x30;
const ENCRYPTED_BEGIN = '-----BEGIN ENCRYPTED PRIVATE KEY-----';
const DEK_INFO = 'DEK-Info: ';
const MAX_NAME_BYTES = 40;
/**
 * An AlgorithmIdentifier of PKCS #5 or PKCS #12 is shorter; base64 of this many bytes is decoded.
 */
const MAX_ALGORITHM_BYTES = 300;

/**
 * Refuses a key whose cipher OpenSSL lacks, before the passphrase is asked for.
 * @throws AppError KEY_FILE that names the cipher and how to encrypt the key anew
 */
export function assertCipherIsThere(pem: Buffer, name: string): void {
  const found = cipherOf(pem);
  if (found !== undefined && !getCiphers().includes(found.cipher)) {
    throw missingCipher(name, found.name);
  }
}

/** The error of a key whose cipher OpenSSL lacks. @param cipher undefined where it has no name */
export function missingCipher(name: string, cipher: string | undefined): AppError {
  const what = cipher ?? 'a cipher';
  return new AppError(
    'KEY_FILE',
    `account key: ${name}: is encrypted with ${what}, which OpenSSL no longer has`,
    {
      hint: 'encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc -provider legacy -provider default -in KEY -out NEW',
    },
  );
}

function cipherOf(pem: Buffer): OldCipher | undefined {
  const header = pem.indexOf(DEK_INFO);
  if (header !== -1) {
    const start = header + DEK_INFO.length;
    const name = /^[A-Z0-9-]+/.exec(pem.toString('latin1', start, start + MAX_NAME_BYTES))?.[0];
    return name === undefined ? undefined : { name, cipher: name.toLowerCase() };
  }
  const begin = pem.indexOf(ENCRYPTED_BEGIN);
  if (begin === -1) {
    return undefined;
  }
  const start = begin + ENCRYPTED_BEGIN.length;
  const text = pem.toString('latin1', start, start + 2 * MAX_ALGORITHM_BYTES);
  const identifiers = identifiersIn(algorithmOf(Buffer.from(text, 'base64')));
  return identifiers
    .map((identifier) => BY_IDENTIFIER[identifier])
    .find((known) => known !== undefined);
}

/**
 * The contents of the AlgorithmIdentifier of an EncryptedPrivateKeyInfo (RFC 5958 §3); empty for
 * other bytes.
 */
function algorithmOf(der: Buffer): Buffer {
  const outer = contentsAt(der, 0);
  return outer === undefined
    ? Buffer.alloc(0)
    : (contentsAt(outer.contents, 0)?.contents ?? Buffer.alloc(0));
}

/**
 * Every object identifier at any depth: for PBES2 the scheme, its key derivation and its cipher.
 */
function identifiersIn(der: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < der.length;) {
    const element = contentsAt(der, at);
    if (element === undefined) {
      return found;
    }
    if (element.tag === OBJECT_IDENTIFIER) {
      found.push(element.contents.toString('hex'));
    } else if (element.tag === SEQUENCE) {
      found.push(...identifiersIn(element.contents));
    }
    at = element.end;
  }
  return found;
}

/** One DER element, its contents cut where the bytes end; undefined where there is none. */
function contentsAt(
  der: Buffer,
  at: number,
): { readonly tag: number; readonly contents: Buffer; readonly end: number } | undefined {
  const [tag, first] = [der[at], der[at + 1]];
  if (tag === undefined || first === undefined) {
    return undefined;
  }
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + lengthBytes;
  if (lengthBytes > 4 || start > der.length) {
    return undefined;
  }
  const length = lengthBytes === 0 ? first & 0x7f : der.readUIntBE(at + 2, lengthBytes);
  return { tag, contents: der.subarray(start, start + length), end: start + length };
}
