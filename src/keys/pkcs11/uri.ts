// Parses and formats the `pkcs11:` URI (RFC 7512) of an account key. Runs in clavigerd and its
// commands. Pure. Stricter than the RFC requires: an unknown attribute or one given twice is an
// error, for with a misspelt attribute ignored, the URI would match more tokens and keys. The
// formatted URI never has `pin-value`, and no error repeats a value.

import { AppError } from '../../lib/errors.js';
import { withoutPadding } from '../../lib/padding.js';
import { Secret } from '../../lib/secret.js';
import type { KeySelector, TokenSelector } from '../../token/messages.js';
import { ATTRIBUTE_RULES, type UriPart } from './uri-attributes.js';

export interface Pkcs11Uri {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly modulePath: string | undefined;
  readonly moduleName: string | undefined;
  readonly pinSource: string | undefined;
  readonly pinValue: Secret | undefined;
}

const SCHEME = 'pkcs11:';
const MAX_URI_LENGTH = 4096;

/** True for a text with the scheme `pkcs11:`, in any case (RFC 3986 §3.1). */
export function isPkcs11Uri(text: string): boolean {
  return text.slice(0, SCHEME.length).toLowerCase() === SCHEME;
}

/**
 * Parses a URI. No error repeats the value of an attribute: it may be the PIN.
 * @throws AppError KEY_URI
 */
export function parsePkcs11Uri(text: string): Pkcs11Uri {
  if (!isPkcs11Uri(text)) {
    throw badUri('it does not begin with pkcs11:');
  }
  if (text.length > MAX_URI_LENGTH) {
    throw badUri(`longer than ${MAX_URI_LENGTH} characters`);
  }
  const rest = text.slice(SCHEME.length);
  const mark = rest.indexOf('?');
  const path = mark === -1 ? rest : rest.slice(0, mark);
  const query = mark === -1 ? '' : rest.slice(mark + 1);
  const values = new Map([
    ...readAttributes(path, ';', 'path'),
    ...readAttributes(query, '&', 'query'),
  ]);
  return uriOf(values);
}

function readAttributes(part: string, separator: string, kind: UriPart): Map<string, Buffer> {
  const values = new Map<string, Buffer>();
  if (part === '') {
    return values;
  }
  for (const attribute of part.split(separator)) {
    const equals = attribute.indexOf('=');
    const name = equals === -1 ? attribute : attribute.slice(0, equals);
    const rule = ATTRIBUTE_RULES.get(name);
    if (rule === undefined || equals === -1) {
      throw badUri(`${quoteName(name)} is not a ${kind} attribute`, hintOf(kind));
    }
    if (rule.part !== kind) {
      throw badUri(`${name} belongs ${rule.part === 'path' ? 'before' : 'after'} the "?"`);
    }
    if (values.has(name)) {
      throw badUri(`${name} is given twice`);
    }
    const decoded = decodePercent(name, attribute.slice(equals + 1));
    // As Latin-1 every byte stays as it is.
    const value =
      rule.isPadded === true
        ? Buffer.from(withoutPadding(decoded.toString('latin1')), 'latin1')
        : decoded;
    const problem = rule.check(value);
    if (problem !== undefined) {
      throw badUri(`${name} ${problem}`);
    }
    values.set(name, value);
  }
  return values;
}

/** Quotes what has the form of an attribute name; anything else may be a misplaced PIN. */
function quoteName(name: string): string {
  return /^[a-z][a-z-]{0,30}$/.test(name) ? JSON.stringify(name) : 'a part of it';
}

function hintOf(kind: UriPart): string {
  const names = [...ATTRIBUTE_RULES].filter(([, rule]) => rule.part === kind).map(([name]) => name);
  return `${kind} attributes are ${names.join(', ')}`;
}

/**
 * RFC 7512 §2.3: the characters that need no percent-encoding in a value of either part. Stricter
 * in one case: `&` in the path must be encoded, since there it mostly belongs to a query (with a
 * PIN) whose `?` is missing.
 */
const PLAIN = /^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=/?|]|%[0-9A-Fa-f]{2})*$/;

function decodePercent(name: string, value: string): Buffer {
  if (!PLAIN.test(value)) {
    throw badUri(`${name} has a character that must be percent-encoded`, 'a space is %20');
  }
  return Buffer.from(
    value.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(parseInt(digits, 16)),
    ),
    'latin1',
  );
}

function uriOf(values: ReadonlyMap<string, Buffer>): Pkcs11Uri {
  const text = (name: string): string | undefined => values.get(name)?.toString('utf8');
  const slotId = text('slot-id');
  const pinValue = values.get('pin-value');
  if (pinValue !== undefined && values.has('pin-source')) {
    throw badUri('pin-source and pin-value are both given');
  }
  if (pinValue?.length === 0) {
    throw badUri('pin-value is empty');
  }
  if (values.has('module-path') && values.has('module-name')) {
    throw badUri('module-path and module-name are both given');
  }
  return {
    token: {
      label: text('token'),
      serial: text('serial'),
      manufacturer: text('manufacturer'),
      model: text('model'),
      slotId: slotId === undefined ? undefined : Number(slotId),
      slotDescription: text('slot-description'),
      slotManufacturer: text('slot-manufacturer'),
      libraryManufacturer: text('library-manufacturer'),
      libraryDescription: text('library-description'),
      libraryVersion: versionOf(text('library-version')),
    },
    key: { label: text('object'), id: values.get('id')?.toString('hex') },
    modulePath: text('module-path'),
    moduleName: text('module-name'),
    pinSource: text('pin-source'),
    pinValue: pinValue === undefined ? undefined : new Secret(pinValue),
  };
}

/** RFC 7512 §2.3: `M` means `M.0`. */
function versionOf(text: string | undefined): string | undefined {
  const [major, minor = '0'] = text?.split('.') ?? [];
  return major === undefined ? undefined : `${Number(major)}.${Number(minor)}`;
}

function badUri(problem: string, hint?: string): AppError {
  return new AppError('KEY_URI', `pkcs11 URI: ${problem}`, { hint });
}

/** Formats a URI: attributes in a fixed order, without `pin-value`. */
export function formatPkcs11Uri(uri: Omit<Pkcs11Uri, 'pinValue'>): string {
  const id = uri.key.id === undefined ? undefined : Buffer.from(uri.key.id, 'hex');
  const path = formatAttributes(';', [
    ['token', uri.token.label],
    ['serial', uri.token.serial],
    ['manufacturer', uri.token.manufacturer],
    ['model', uri.token.model],
    ['slot-id', uri.token.slotId?.toString()],
    ['slot-description', uri.token.slotDescription],
    ['slot-manufacturer', uri.token.slotManufacturer],
    ['library-manufacturer', uri.token.libraryManufacturer],
    ['library-description', uri.token.libraryDescription],
    ['library-version', uri.token.libraryVersion],
    ['object', uri.key.label],
    ['id', id],
  ]);
  const query = formatAttributes('&', [
    ['module-path', uri.modulePath],
    ['module-name', uri.moduleName],
    ['pin-source', uri.pinSource],
  ]);
  return `${SCHEME}${path}${query === '' ? '' : `?${query}`}`;
}

type NamedValue = readonly [name: string, value: string | Buffer | undefined];

function formatAttributes(separator: string, attributes: readonly NamedValue[]): string {
  return attributes
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodePercent(name, Buffer.from(value ?? ''))}`)
    .join(separator);
}

function encodePercent(name: string, value: Buffer): string {
  // RFC 7512 §2.3 recommends that an id is percent-encoded throughout.
  const plain = name === 'id' ? /[^\s\S]/ : /[A-Za-z0-9\-._~:/,]/;
  return Array.from(value, (byte) => {
    const character = String.fromCharCode(byte);
    return plain.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}
