// Private keys in PEM, from bytes to a KeyObject: PKCS #8, encrypted or not, PKCS #1, SEC 1. Pure;
// runs in clavigerd and `clavigerd key`. Does not trust the bytes, and makes no string of them,
// which could not be wiped: only BEGIN lines are read as text.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { AppError, systemCodeOf } from '../../lib/errors.js';
import { assertCipherIsThere, missingCipher } from './pem-cipher.js';

const HINT =
  'a PEM file with one private key is wanted: PKCS #8, encrypted or not, PKCS #1 or SEC 1';
const OPENSSH_HINT =
  'OpenSSH has a format of its own; ssh-keygen -p -m PKCS8 -f COPY turns a copy of an RSA or ECDSA key into PEM';

const BEGIN = '-----BEGIN ';
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const MAX_BEGIN_LINE_BYTES = 100;
const MAX_SHOWN_LABELS = 5;

/**
 * True when a passphrase is needed: for encrypted PKCS #8, and for the older encryption of PEM
 * itself (RFC 1421 §4.6.1.1).
 * @param name of the file, for errors.
 * @throws AppError KEY_FILE for anything but exactly one private key, and for a cipher that
 *   OpenSSL lacks
 */
export function isEncryptedPemKey(pem: Buffer, name: string): boolean {
  const labels = beginLabels(pem).filter((label) => label !== 'EC PARAMETERS');
  const [label] = labels;
  if (label === undefined) {
    throw new AppError('KEY_FILE', `account key: ${name}: not a PEM file`, { hint: HINT });
  }
  if (labels.length > 1 || !label.endsWith('PRIVATE KEY') || label.startsWith('OPENSSH')) {
    const what = labels.slice(0, MAX_SHOWN_LABELS).join(', ').toLowerCase();
    throw new AppError('KEY_FILE', `account key: ${name}: holds ${what}`, {
      hint: label.startsWith('OPENSSH') ? OPENSSH_HINT : HINT,
    });
  }
  const isEncrypted = label === 'ENCRYPTED PRIVATE KEY' || pem.includes('Proc-Type: 4,ENCRYPTED');
  if (isEncrypted) {
    assertCipherIsThere(pem, name);
  }
  return isEncrypted;
}

/**
 * Makes the KeyObject. The caller has to wipe the bytes.
 * @throws AppError KEY_FILE for what is no private key; KEY_DECRYPT when the passphrase is
 *   wrong
 */
export function parsePemKey(pem: Buffer, name: string, passphrase?: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase && { passphrase }) });
  } catch (error) {
    // OpenSSL's own message names DECODER routines, which help nobody.
    if (passphrase !== undefined && systemCodeOf(error) === 'ERR_OSSL_EVP_UNSUPPORTED') {
      throw missingCipher(name, undefined);
    }
    if (passphrase !== undefined) {
      throw new AppError(
        'KEY_DECRYPT',
        `account key: ${name}: the passphrase is wrong, or the file damaged`,
      );
    }
    throw new AppError(
      'KEY_FILE',
      `account key: ${name}: not a private key (${systemCodeOf(error) ?? 'unreadable'})`,
      { hint: HINT },
    );
  }
}

/** OpenSSL skips a byte order mark at the beginning, and nothing else before BEGIN. */
function isBehindByteOrderMark(pem: Buffer, at: number): boolean {
  return at === BYTE_ORDER_MARK.length && pem.subarray(0, at).equals(BYTE_ORDER_MARK);
}

/** The label of each BEGIN line; a malformed one counts too, so that no key is overlooked. */
function beginLabels(pem: Buffer): string[] {
  const labels: string[] = [];
  for (let at = pem.indexOf(BEGIN); at !== -1; at = pem.indexOf(BEGIN, at + BEGIN.length)) {
    if (at === 0 || pem[at - 1] === NEWLINE || isBehindByteOrderMark(pem, at)) {
      const line = pem.subarray(at, at + MAX_BEGIN_LINE_BYTES).toString('latin1');
      labels.push(/^-----BEGIN ([A-Z0-9 ]+)-----[ \t\r]*(?:\n|$)/.exec(line)?.[1] ?? 'no PEM');
    }
  }
  return labels;
}
