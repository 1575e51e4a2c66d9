// Policies that are as tight as they can be for one certificate, and one daemon that holds several
// of them, each on a socket of its own. Used by test processes only.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { readRecords } from '../audit/audit-chain.js';
import { makeSectionBed, startInBed, type SectionBed } from '../daemon/daemon-sections.js';
import { mustRun } from '../process.js';
import type { Scope } from '../scope.js';

/** What the policy of a socket says; the names of the settings are those of clavigerd.toml. */
export interface TightSettings {
  readonly operations: readonly string[];
  readonly identifiers: readonly string[];
  readonly 'max-identifiers': number;
  readonly 'csr-keys': readonly string[];
  readonly 'csr-key-types': readonly string[];
  readonly profiles: readonly string[];
  readonly servers: readonly string[];
  readonly budgets: readonly string[];
  readonly deny?: { readonly identifiers: readonly string[] };
}

interface Certificate {
  readonly names: readonly string[];
  /** PEM file of the server's key. */
  readonly key: string;
  readonly keyType: 'p256' | 'rsa';
  /** The ACME server's origin. */
  readonly server: string;
  /** Of the account, in key-ID-only mode. */
  readonly keyId: string | undefined;
}

/** A new key for a server, in a file of the folder. */
export async function makeServerKey(path: string, type: 'p256' | 'rsa'): Promise<string> {
  const options =
    type === 'rsa'
      ? ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
      : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await mustRun('openssl', ['genpkey', ...options, '-out', path]);
  return path;
}

/** SHA-256 of the key's SubjectPublicKeyInfo, hexadecimal. */
export async function pinOf(keyFile: string): Promise<string> {
  const der = join(dirname(keyFile), `${basename(keyFile)}.spki`);
  await mustRun('openssl', ['pkey', '-in', keyFile, '-pubout', '-outform', 'DER', '-out', der]);
  return createHash('sha256')
    .update(await readFile(der))
    .digest('hex');
}

/** Every setting there is, each at the least that one order with new authorizations needs. */
export async function tightPolicy(certificate: Certificate): Promise<TightSettings> {
  const { names, keyId } = certificate;
  return {
    operations: [
      ...['read', 'new-order', 'answer-challenge', 'finalize'],
      // Without a key ID the client asks the server for the account of its key.
      ...(keyId === undefined ? ['find-account'] : []),
    ],
    identifiers: names,
    'max-identifiers': names.length,
    'csr-keys': [await pinOf(certificate.key)],
    'csr-key-types': [certificate.keyType],
    profiles: [''],
    servers: [certificate.server],
    budgets: [
      '1 new-order per 1d',
      '1 new-order per 1d per identifier',
      '1 finalize per 1d',
      '1 finalize per 1d per identifier',
      `${names.length} answer-challenge per 1d`,
      ...(keyId === undefined ? ['1 find-account per 1d'] : []),
    ],
  };
}

export interface PolicyBed extends SectionBed {
  /** What the daemon recorded of one socket. */
  recordsOf(listener: string): ReturnType<typeof readRecords>;
}

/** Starts a daemon with a socket for each policy, both of one name. */
export async function startWithPolicies(
  scope: Scope,
  account: { readonly privkey: string; readonly keyId: string | undefined },
  policies: Readonly<Record<string, TightSettings>>,
): Promise<PolicyBed> {
  const names = Object.keys(policies);
  const toml = stringify({
    privkey: account.privkey,
    keyid: account.keyId ?? '',
    'audit-log': '@/audit.jsonl',
    'state-directory': '@/state',
    policy: policies,
    listen: [
      { socket: '@/admin' },
      ...names.map((name) => ({ socket: `@/${name}`, policy: name })),
    ],
  });
  const bed = await makeSectionBed(scope, toml);
  await startInBed(scope, bed, { waitFor: { socket: bed.path(names.at(-1) ?? 'admin') } });
  return {
    ...bed,
    recordsOf: (listener) =>
      readRecords(bed.path('audit.jsonl')).filter((record) => record.listener === listener),
  };
}
