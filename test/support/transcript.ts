// What a whole test run printed, kept so that the runner can search it for secrets at the end.
// Written by every test process to the folder the runner names; without a runner nothing is kept.

import { appendFileSync, readFileSync, readdirSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** The variable by which the runner names the folder. */
export const TRANSCRIPT_VARIABLE = 'CLAVIGER_TEST_TRANSCRIPT';

const SECRETS_FILE = 'secrets';
const TEXT_SUFFIX = '.txt';
// Shorter ones would be found in any text by chance, and hexadecimal ones in the many hashes of it.
const MIN_SECRET_LENGTH = 8;
const MIN_HEX_LENGTH = 10;
const MAX_LOG_DEPTH = 4;

/**
 * Notes a secret of a test (a PIN, a passphrase, a line of a private key): no log may ever hold it.
 */
export function recordSecret(secret: string): void {
  if (secret.length < MIN_SECRET_LENGTH || secret.includes('\n')) {
    throw new Error(`a recorded secret is one line of ${MIN_SECRET_LENGTH} characters or more`);
  }
  if (secret.length < MIN_HEX_LENGTH && /^[0-9a-f]+$/.test(secret)) {
    throw new Error(
      `a hexadecimal secret has ${MIN_HEX_LENGTH} digits or more: hashes hold others`,
    );
  }
  append(SECRETS_FILE, `${secret}\n`);
}

/** Notes a PEM private key: each of its full lines is a secret. */
export function recordPrivateKey(pem: string): void {
  for (const line of pem.split(/\r?\n/)) {
    if (line.length >= 32 && !line.startsWith('-----')) {
      recordSecret(line);
    }
  }
}

/** Keeps text that was printed, logged or passed as an argument. */
export function recordText(origin: string, text: string): void {
  append(`${process.pid}${TEXT_SUFFIX}`, `--- ${origin}\n${text}\n`);
}

/** Keeps every `*.log` and `*.jsonl` file below a folder that is about to be removed. */
export async function recordLogs(folder: string, depth = 0): Promise<void> {
  if (process.env[TRANSCRIPT_VARIABLE] === undefined) {
    return;
  }
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_LOG_DEPTH) {
      await recordLogs(path, depth + 1);
    } else if (entry.isFile() && /\.(log|jsonl)$/.test(entry.name)) {
      recordText(path, await readFile(path, 'utf8'));
    }
  }
}

interface SecretSearch {
  readonly secrets: number;
  readonly bytes: number;
  /** Origin and line of every place where a secret was found, the secret itself replaced. */
  readonly leaks: readonly string[];
}

/** Searches everything recorded in `folder`, and `extraText`, for every recorded secret. */
export function searchSecrets(folder: string, extraText: string): SecretSearch {
  const names = readdirSync(folder);
  const secrets = names.includes(SECRETS_FILE)
    ? [...new Set(readFileSync(join(folder, SECRETS_FILE), 'utf8').split('\n'))].filter(Boolean)
    : [];
  const texts = names
    .filter((name) => name.endsWith(TEXT_SUFFIX))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
  texts.push(extraText);
  const leaks = texts.flatMap((text) => findLeaks(text, secrets));
  return {
    secrets: secrets.length,
    bytes: texts.reduce((sum, text) => sum + text.length, 0),
    leaks,
  };
}

function findLeaks(text: string, secrets: readonly string[]): string[] {
  const found = secrets.filter((secret) => text.includes(secret));
  if (found.length === 0) {
    return [];
  }
  const leaks: string[] = [];
  let origin = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('--- ')) {
      origin = line.slice(4);
    }
    for (const secret of found) {
      if (line.includes(secret)) {
        leaks.push(`${origin}: ${line.replaceAll(secret, '[SECRET]').slice(0, 300)}`);
      }
    }
  }
  return leaks;
}

function append(name: string, text: string): void {
  const folder = process.env[TRANSCRIPT_VARIABLE];
  if (folder !== undefined) {
    appendFileSync(join(folder, name), text, { mode: 0o600 });
  }
}
