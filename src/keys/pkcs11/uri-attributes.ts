// The attributes of a `pkcs11:` URI (RFC 7512 §2.3, §2.4): in which part each may stand, and the
// check of its value. Runs in clavigerd and its commands. Pure. No message repeats a value, which
// may be a PIN.

import { hasControlCharacter } from '../../lib/printable.js';

export type UriPart = 'path' | 'query';

interface AttributeRule {
  readonly part: UriPart;
  /**
   * True for texts of fixed length in PKCS#11. p11tool and TPM modules print them with their
   * padding, which is removed.
   */
  readonly isPadded?: boolean;
  /** The problem of the decoded value; undefined when there is none. */
  readonly check: (value: Buffer) => string | undefined;
}

const MAX_TEXT_BYTES = 1024;
const MAX_ID_BYTES = 256;
/** RFC 7512 §2.3: the values of `type`. Only a private key signs. */
const OBJECT_TYPES: ReadonlySet<string> = new Set([
  'cert',
  'data',
  'private',
  'public',
  'secret-key',
]);

/** All attributes, by name. */
export const ATTRIBUTE_RULES: ReadonlyMap<string, AttributeRule> = new Map<string, AttributeRule>([
  ['token', { part: 'path', isPadded: true, check: checkText }],
  ['serial', { part: 'path', isPadded: true, check: checkText }],
  ['manufacturer', { part: 'path', isPadded: true, check: checkText }],
  ['model', { part: 'path', isPadded: true, check: checkText }],
  ['slot-id', { part: 'path', check: checkNumber }],
  ['slot-description', { part: 'path', isPadded: true, check: checkText }],
  ['slot-manufacturer', { part: 'path', isPadded: true, check: checkText }],
  ['library-manufacturer', { part: 'path', isPadded: true, check: checkText }],
  ['library-description', { part: 'path', isPadded: true, check: checkText }],
  ['library-version', { part: 'path', check: checkVersion }],
  ['object', { part: 'path', check: checkText }],
  ['id', { part: 'path', check: checkId }],
  ['type', { part: 'path', check: checkType }],
  ['module-path', { part: 'query', check: checkModulePath }],
  ['module-name', { part: 'query', check: checkModuleName }],
  ['pin-source', { part: 'query', check: checkPrintable }],
  ['pin-value', { part: 'query', check: checkText }],
]);

function checkText(value: Buffer): string | undefined {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(value);
  } catch {
    return 'is not UTF-8';
  }
  return value.includes(0)
    ? 'has a NUL in it'
    : value.length > MAX_TEXT_BYTES
      ? 'is too long'
      : undefined;
}

function checkId(value: Buffer): string | undefined {
  return value.length === 0 || value.length > MAX_ID_BYTES
    ? `is not 1 to ${MAX_ID_BYTES} bytes`
    : undefined;
}

function checkNumber(value: Buffer): string | undefined {
  return /^\d{1,15}$/.test(value.toString('latin1')) ? undefined : 'is not a decimal number';
}

/** CK_VERSION: one byte for each number. */
function checkVersion(value: Buffer): string | undefined {
  const numbers = /^(\d{1,3})(?:\.(\d{1,3}))?$/.exec(value.toString('latin1'));
  return numbers !== null && Number(numbers[1]) < 256 && Number(numbers[2] ?? 0) < 256
    ? undefined
    : 'is not MAJOR or MAJOR.MINOR';
}

function checkType(value: Buffer): string | undefined {
  const type = value.toString('latin1');
  if (type === 'private') {
    return undefined;
  }
  return OBJECT_TYPES.has(type)
    ? `is ${JSON.stringify(type)}, which cannot sign: only "private" can`
    : 'is not a type of object: only "private" can sign';
}

function checkModulePath(value: Buffer): string | undefined {
  return value[0] === 0x2f ? checkPrintable(value) : 'is not an absolute path';
}

/** For paths: refuses control characters, which no intended path has. */
function checkPrintable(value: Buffer): string | undefined {
  const problem = hasControlCharacter(value.toString('utf8'))
    ? 'has a control character'
    : undefined;
  return checkText(value) ?? problem;
}

/** The name of a profile; no character of it can make a path. */
function checkModuleName(value: Buffer): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/.test(value.toString('latin1'))
    ? undefined
    : 'is not a module name';
}
