// CSRs and certificates made by openssl, in DER. Used by test processes only.

import { createPublicKey, createHash, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../process.js';
import { makeKeyPair } from '../key-pair.js';

export interface RequestedNames {
  /** Common name, if any. */
  readonly commonName?: string;
  /** As openssl writes them: `DNS:www.example.org`, `IP:192.0.2.7`, `email:a@example.org`. */
  readonly alternatives?: readonly string[];
}

/** The DER of a CSR for these names, signed by that key. @param folder for openssl's files. */
export async function makeCsrDer(
  folder: string,
  key: KeyObject,
  names: RequestedNames,
): Promise<Buffer> {
  return await runReq(folder, key, names, ['-new']);
}

/** The DER of a self-signed certificate. */
export async function makeCertificateDer(
  folder: string,
  key: KeyObject,
  names: RequestedNames,
): Promise<Buffer> {
  return await runReq(folder, key, names, ['-x509']);
}

/** A key pair's private half: RSA by its bits, or an EC curve by its name. */
export function makeSubjectKey(kind: number | string): KeyObject {
  return typeof kind === 'number'
    ? makeKeyPair('rsa', { modulusLength: kind }).privateKey
    : makeKeyPair('ec', { namedCurve: kind }).privateKey;
}

/** SHA-256 of the SubjectPublicKeyInfo. */
export function spkiHash(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest();
}

async function runReq(
  folder: string,
  key: KeyObject,
  { commonName, alternatives = [] }: RequestedNames,
  mode: readonly string[],
): Promise<Buffer> {
  const keyFile = join(folder, 'subject.pem');
  const out = join(folder, 'out.der');
  writeFileSync(keyFile, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const subject = commonName === undefined ? '/' : `/CN=${commonName}`;
  const san =
    alternatives.length === 0 ? [] : ['-addext', `subjectAltName=${alternatives.join(',')}`];
  const files = ['-key', keyFile, '-outform', 'DER', '-out', out];
  const { code, stderr } = await runCommand('openssl', [
    ...['req', ...mode, '-sha256', '-subj', subject],
    ...files,
    ...san,
  ]);
  if (code !== 0) {
    throw new Error(`openssl req: ${stderr}`);
  }
  return readFileSync(out);
}
