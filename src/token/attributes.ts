// Runs in the token helper: finds objects and reads their attributes, one in each call, for a call
// fails as a whole if the token does not show one of them (PKCS#11 2.40 §5.7, C_GetAttributeValue).
// Does not trust the token: the number of objects is bounded, and every value is parsed.

import { endianness } from 'node:os';
import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import { callToken } from './pkcs11-failure.js';

/** Objects are asked for in batches of this many; a handle has eight bytes. */
const FIND_BATCH = 64;
/** A token with more objects is refused: part of a list could hide a second key of a name. */
const MAX_OBJECTS = 4096;

export interface Session {
  readonly lib: pkcs11js.PKCS11;
  readonly handle: pkcs11js.Handle;
}

export interface OpenToken extends Session {
  readonly slot: pkcs11js.Handle;
}

/** All objects that match, in the token's order. @throws AppError TOKEN_* */
export function findObjects(session: Session, template: pkcs11js.Template): pkcs11js.Handle[] {
  const { lib, handle } = session;
  callToken('C_FindObjectsInit', () => {
    lib.C_FindObjectsInit(handle, template);
  });
  const found: pkcs11js.Handle[] = [];
  try {
    for (;;) {
      const batch = callToken('C_FindObjects', () => lib.C_FindObjects(handle, FIND_BATCH));
      if (batch.length === 0) {
        break;
      }
      found.push(...batch);
      if (found.length > MAX_OBJECTS) {
        throw new AppError('TOKEN_FAILED', `token: it lists more than ${MAX_OBJECTS} objects`, {
          hint: 'among so many, that one key is the only one of its name cannot be told',
        });
      }
    }
  } finally {
    callToken('C_FindObjectsFinal', () => {
      lib.C_FindObjectsFinal(handle);
    });
  }
  return found;
}

/** The bytes of one attribute; undefined when the token lacks it or does not show it. */
export function readAttribute(
  session: Session,
  object: pkcs11js.Handle,
  type: number,
): Buffer | undefined {
  try {
    const [attribute] = session.lib.C_GetAttributeValue(session.handle, object, [{ type }]);
    return attribute?.value;
  } catch {
    return undefined;
  }
}

/**
 * A CK_BBOOL; false when the token does not have the attribute (NSS lacks CKA_ALWAYS_AUTHENTICATE).
 */
export function readFlag(session: Session, object: pkcs11js.Handle, type: number): boolean {
  const value = readAttribute(session, object, type);
  return value !== undefined && value.length > 0 && value[0] !== 0;
}

/** A CK_ULONG, in the byte order and size of this machine. */
export function readULong(
  session: Session,
  object: pkcs11js.Handle,
  type: number,
): number | undefined {
  const value = readAttribute(session, object, type);
  return value === undefined ? undefined : parseULong(value);
}

/**
 * A CK_ULONG of four or eight bytes, in the byte order of this machine; undefined for other sizes.
 */
export function parseULong(bytes: Buffer, order: 'LE' | 'BE' = endianness()): number | undefined {
  switch (bytes.length) {
    case 8:
      return Number(order === 'LE' ? bytes.readBigUInt64LE(0) : bytes.readBigUInt64BE(0));
    case 4:
      return order === 'LE' ? bytes.readUInt32LE(0) : bytes.readUInt32BE(0);
    default:
      return undefined;
  }
}

export function readLabel(session: Session, object: pkcs11js.Handle): string {
  return readAttribute(session, object, pkcs11js.CKA_LABEL)?.toString('utf8') ?? '';
}

/** CKA_ID in lower-case hexadecimal; empty when there is none. */
export function readId(session: Session, object: pkcs11js.Handle): string {
  return readAttribute(session, object, pkcs11js.CKA_ID)?.toString('hex') ?? '';
}
