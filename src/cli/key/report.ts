// The results of `clavigerd key`: as values for --json, and formatted as text. Pure. Labels and
// serial numbers come from tokens and are not trusted: the text has them escaped, as JSON does by
// itself.

import { algorithmOfKey } from '../../jose/algorithms.js';
import {
  formatPublicJwk,
  jwkThumbprint,
  publicKeyOfJwk,
  type PublicJwk,
} from '../../jose/public-jwk.js';
import { formatPkcs11Uri, type Pkcs11Uri } from '../../keys/pkcs11/uri.js';
import type { PrivateHalf, TokenContents, TokenKey } from '../../keys/admin/token-admin.js';
import { printable } from '../../lib/printable.js';
import { formatTable } from '../../lib/table.js';
import { formatOpenSshKey } from './openssh.js';

export interface KeyReport {
  /** The value for the setting `privkey`. */
  readonly uri: string;
  readonly algorithm: string;
  readonly thumbprint: string;
  readonly jwk: PublicJwk;
  /** SubjectPublicKeyInfo in PEM. */
  readonly publicKey: string;
  readonly token?: string;
  readonly serial?: string;
  readonly label?: string;
  readonly id?: string;
  /** Whether the private key is in the token; absent for a key in a file. */
  readonly privateKey?: PrivateHalf;
  /** The public key as in authorized_keys; absent for a type OpenSSH does not know. */
  readonly openssh?: string;
  /** A certificate request in PEM, with --csr. */
  readonly request?: string;
}

interface TokenReport {
  readonly token: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly initialized: boolean;
  readonly keys: readonly {
    readonly label: string;
    readonly id: string;
    readonly type: string;
    /** False: only the public key is visible, for lack of a login or of a private key. */
    readonly hasPrivate: boolean;
  }[];
}

const PRIVATE_HALF: Readonly<Record<PrivateHalf, string>> = {
  present: 'in the token',
  absent: 'not in this token',
  unseen: 'needs a login to see (--login)',
};

const COLUMNS = ['TOKEN', 'SERIAL', 'KEY', 'ID', 'TYPE', 'SEEN'] as const;
/** A label of PKCS#11 has 32 bytes, and an ID mostly fewer. */
const MAX_CELL_CHARACTERS = 64;

export function reportOfKey(jwk: PublicJwk, uri: string): KeyReport {
  const key = publicKeyOfJwk(jwk);
  const openssh = formatOpenSshKey(jwk);
  return {
    uri,
    algorithm: algorithmOfKey(key),
    thumbprint: jwkThumbprint(jwk),
    jwk,
    publicKey: key.export({ format: 'pem', type: 'spki' }).toString(),
    ...(openssh !== undefined && { openssh }),
  };
}

/** @param source the URI that led to the key; the report takes its module and PIN source. */
export function reportOfTokenKey(found: TokenKey, source: Pkcs11Uri): KeyReport {
  const { token, key, jwk, privateHalf } = found;
  const uri = formatPkcs11Uri({
    token: { label: token.label || undefined, serial: token.serial || undefined },
    key: namesOf(found),
    modulePath: source.modulePath,
    moduleName: source.moduleName,
    pinSource: source.pinSource,
  });
  const names = { token: token.label, serial: token.serial, label: key.label, id: key.id };
  return { ...reportOfKey(jwk, uri), ...names, privateKey: privateHalf };
}

/**
 * The attributes by which a URI names the private key. Without a login only the public key may have
 * been visible, which on cards has another label: then the ID alone.
 */
function namesOf({ key, privateHalf }: TokenKey): { label?: string; id?: string } {
  const hasLabel = key.label !== '' && (privateHalf === 'present' || key.id === '');
  return { ...(hasLabel && { label: key.label }), ...(key.id !== '' && { id: key.id }) };
}

export function reportOfToken({ token, keys }: TokenContents): TokenReport {
  const { label, serial, manufacturer, model, initialized } = token;
  return {
    token: label,
    serial,
    manufacturer,
    model,
    initialized,
    keys: keys.map((key) => ({
      label: key.label,
      id: key.id,
      type: key.type,
      hasPrivate: key.hasPrivate,
    })),
  };
}

/** Lines `name: value`, then the public key. */
export function formatKeyReport(report: KeyReport): string {
  const values: readonly (readonly [string, string | undefined])[] = [
    ['token', report.token],
    ['serial', report.serial],
    ['label', report.label],
    ['id', report.id],
    ['private key', report.privateKey && PRIVATE_HALF[report.privateKey]],
    ['algorithm', report.algorithm],
    ['thumbprint', report.thumbprint],
    ['jwk', formatPublicJwk(report.jwk)],
    ['uri', report.uri],
  ];
  const lines = values
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${name}:`.padEnd(13)}${printable(value ?? '', 4096)}\n`);
  return `${lines.join('')}${report.publicKey}`;
}

/** A table with one line for each key, and one for each token that shows none. */
export function formatTokenTable(tokens: readonly TokenReport[]): string {
  const rows = tokens.flatMap(rowsOfToken);
  if (rows.length === 0) {
    return 'no token\n';
  }
  return formatTable(COLUMNS, rows, MAX_CELL_CHARACTERS)
    .map((line) => `${line}\n`)
    .join('');
}

function rowsOfToken(token: TokenReport): string[][] {
  if (!token.initialized) {
    return [['(not initialised)', token.serial, '', '', '', '']];
  }
  if (token.keys.length === 0) {
    return [[token.token, token.serial, '', '', '', '']];
  }
  return token.keys.map((key) => [
    token.token,
    token.serial,
    key.label,
    key.id,
    key.type,
    key.hasPrivate ? 'private' : 'public',
  ]);
}
