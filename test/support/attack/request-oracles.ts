// What others read in a certificate request or certificate: openssl, Node's binding to it,
// @peculiar/x509. Used by test processes only. Names of types that they print in their own ways are
// left out.

import assert from 'node:assert/strict';
import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isIP, isIPv6 } from 'node:net';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { runCommand } from '../process.js';

interface Name {
  readonly type: string;
  readonly value: string;
}

const COMPARED = new Set(['dns', 'ip', 'email', 'uri']);

/** The comparable names as sorted texts, each once; IPv6 addresses with all their groups. */
export function comparable(names: readonly Name[]): readonly string[] {
  const texts = names
    .filter(({ type }) => COMPARED.has(type))
    .map(({ type, value }) => `${type} ${type === 'ip' ? allGroups(value) : value}`);
  return [...new Set(texts)].sort();
}

function allGroups(address: string): string {
  if (!isIPv6(address)) {
    return address;
  }
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...missing, ...after].join(':');
}

function nameOfCommonName(value: string): Name {
  return { type: isIP(value) !== 0 && !value.includes('%') ? 'ip' : 'dns', value };
}

/** The names of a request as @peculiar/x509 reads it; throws what it throws. */
export function peculiarNames(der: Uint8Array): readonly Name[] {
  const request = new Pkcs10CertificateRequest(der);
  const alternatives = request.extensions.flatMap((extension) =>
    extension instanceof SubjectAlternativeNameExtension ? extension.names.items : [],
  );
  return [
    ...request.subjectName.getField('CN').map(nameOfCommonName),
    ...alternatives.map(({ type, value }) => ({ type: type === 'url' ? 'uri' : type, value })),
  ];
}

const PREFIXES: Readonly<Record<string, string>> = {
  'DNS:': 'dns',
  'IP Address:': 'ip',
  'email:': 'email',
  'URI:': 'uri',
};

/**
 * The names of a request as openssl prints them, or undefined when it finds the signature wrong.
 */
export async function opensslNames(
  path: string,
  der: Uint8Array,
): Promise<readonly Name[] | undefined> {
  await writeFile(path, der);
  const { code, stdout, stderr } = await runCommand('openssl', [
    ...['req', '-inform', 'DER', '-in', path, '-noout', '-verify', '-text'],
    ...['-nameopt', 'multiline,-esc_msb,utf8,oid'],
  ]);
  if (code !== 0 || !/verify OK/.test(stdout + stderr)) {
    return undefined;
  }
  const commonNames = [...stdout.matchAll(/^ {12}2\.5\.4\.3 = (.*)$/gm)].map(
    ([, name = '']) => name,
  );
  const [, line = ''] = /Subject Alternative Name:.*\n {20}(.*)\n/.exec(stdout) ?? [];
  return [...commonNames.map(nameOfCommonName), ...namesOfLine(line)];
}

/**
 * The names of a certificate as Node prints them, or undefined when it, or its key, cannot be read.
 */
export function nodeNames(der: Uint8Array): readonly Name[] | undefined {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
    // toLegacyObject() of a certificate with a key that OpenSSL does not read ends Node 24.21 by
    // SIGSEGV.
    assert.ok(certificate.publicKey.asymmetricKeyType !== undefined);
  } catch {
    return undefined;
  }
  const subject = membersOf(certificate.toLegacyObject().subject);
  const values = (key: string): string[] => [subject.get(key) ?? []].flat().map(String);
  return [
    ...values('CN').map(nameOfCommonName),
    ...values('emailAddress').map((value) => ({ type: 'email', value })),
    ...namesOfLine(certificate.subjectAltName ?? ''),
  ];
}

function namesOfLine(line: string): readonly Name[] {
  return line.split(', ').flatMap((entry) => {
    const prefix = Object.keys(PREFIXES).find((start) => entry.startsWith(start));
    return prefix === undefined
      ? []
      : [{ type: PREFIXES[prefix] ?? '', value: unquoted(entry.slice(prefix.length)) }];
  });
}

/** Node writes values with commas and quotes as JSON strings. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) {
    return text;
  }
  const value: unknown = JSON.parse(text);
  return String(value);
}

/**
 * Node types each member as one string; it is a list when there are several, and an empty subject
 * undefined.
 */
function membersOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []);
}
