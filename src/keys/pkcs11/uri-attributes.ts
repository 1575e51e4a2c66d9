// The attributes of RFC 7512 §2.3 and §2.4, where each may stand, and what its value must be. Pure.
// What a value is wrong for is told without repeating it: it may be a PIN.

import { hasControlCharacter } from '../../lib/printable.js';

export type UriPart = 'path' | 'query';

export interface AttributeRule {
  readonly part: UriPart;
  /**
   * A text of fixed length in PKCS#11, which p11tool and TPM modules print with its padding: that
   * is cut.
   */
  readonly isPadded?: boolean;
  /** What is wrong with the decoded value; undefined when nothing is. */
  readonly check: (value: Buffer) => string | undefined;
}

const MAX_TEXT_BYTES = 1024;
const MAX_ID_BYTES = 256;
/** RFC 7512 §2.3: what an object may be; only a private key signs. */
const OBJECT_TYPES: ReadonlySet<string> = new Set([
  'cert',
  'data',
  'private',
  'public',
  'secret-key',
]);

/** Every attribute that a URI may have. */
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

/** One byte each, CK_VERSION. */
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

/** Of what leads to a file: nobody means such a path. */
function checkPrintable(value: Buffer): string | undefined {
  const problem = hasControlCharacter(value.toString('utf8'))
    ? 'has a control character'
    : undefined;
  return checkText(value) ?? problem;
}

/** A name of a profile: never a path, never a file name's beginning. */
function checkModuleName(value: Buffer): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/.test(value.toString('latin1'))
    ? undefined
    : 'is not a module name';
}
