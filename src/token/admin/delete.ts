// Runs in the token helper, for `clavigerd key delete`: deletes one key with its certificates, and
// nothing else. Exactly one key must match. The private key is deleted first, so that everything is
// left in place if the token refuses.

import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import { findObjects, readId, readLabel, type Session } from '../attributes.js';
import { callToken } from '../pkcs11-failure.js';

export interface KeyNames {
  readonly label: string;
  /** CKA_ID in hexadecimal; empty for a key without one. */
  readonly id: string;
}

interface DeletedObjects {
  readonly privateKeys: number;
  readonly publicKeys: number;
  readonly certificates: number;
}

/**
 * Destroys the private key, the public key and the certificates that have the key's ID; of a key
 * without an ID, those with its label.
 * @throws AppError TOKEN_KEY_NOT_FOUND; TOKEN_KEY_AMBIGUOUS when two keys share the ID;
 *   TOKEN_FAILED
 */
export function deleteKey(session: Session, names: KeyNames): DeletedObjects {
  const find = (objectClass: number): pkcs11js.Handle[] => findOfKey(session, objectClass, names);
  const privateKeys = find(pkcs11js.CKO_PRIVATE_KEY);
  const publicKeys = find(pkcs11js.CKO_PUBLIC_KEY);
  const certificates = find(pkcs11js.CKO_CERTIFICATE);
  assertOneKey(session, names, privateKeys, publicKeys);
  for (const object of [...privateKeys, ...publicKeys, ...certificates]) {
    callToken('C_DestroyObject', () => {
      session.lib.C_DestroyObject(session.handle, object);
    });
  }
  return {
    privateKeys: privateKeys.length,
    publicKeys: publicKeys.length,
    certificates: certificates.length,
  };
}

/** The objects of a class that belong to a key. */
export function findOfKey(
  session: Session,
  objectClass: number,
  { label, id }: KeyNames,
): pkcs11js.Handle[] {
  const match: pkcs11js.Attribute =
    id === ''
      ? { type: pkcs11js.CKA_LABEL, value: label }
      : { type: pkcs11js.CKA_ID, value: Buffer.from(id, 'hex') };
  const found = findObjects(session, [{ type: pkcs11js.CKA_CLASS, value: objectClass }, match]);
  return id === '' ? found.filter((object) => readId(session, object) === '') : found;
}

function assertOneKey(
  session: Session,
  { label, id }: KeyNames,
  privateKeys: readonly pkcs11js.Handle[],
  publicKeys: readonly pkcs11js.Handle[],
): void {
  const name = `${JSON.stringify(label)} id=${id}`;
  const labels = [...privateKeys, ...publicKeys].map((key) => readLabel(session, key));
  if (!labels.includes(label)) {
    throw new AppError('TOKEN_KEY_NOT_FOUND', `key: ${name} is not in the token any more`);
  }
  if (privateKeys.length > 1 || publicKeys.length > 1) {
    throw new AppError('TOKEN_KEY_AMBIGUOUS', `key: ${name} shares its ID with another key`, {
      hint: `keys with this ID: ${labels.map((other) => JSON.stringify(other)).join(', ')}; delete one with the tool of the token`,
    });
  }
}
