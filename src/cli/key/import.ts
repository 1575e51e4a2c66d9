// `clavigerd key import`: imports a private key from a PEM file into a token. The file stays, and
// the command warns that copies of the key exist outside the token. A process of its own, run by a
// person; it wipes the key from its memory.

import { isAbsolute, resolve } from 'node:path';
import type { KeyObject } from 'node:crypto';
import type { Command } from 'commander';
import type { KeyContext } from '../../keys/key-context.js';
import { importTokenKey } from '../../keys/admin/key-objects.js';
import { isEncryptedPemKey, parsePemKey } from '../../keys/software/pem-key.js';
import { readPrivateFile } from '../../sys/files/private-file.js';
import { newKeyNames } from './generate.js';
import {
  keyContext,
  printNote,
  printReport,
  uriOfOptions,
  withNameOptions,
  withTokenOptions,
  type TokenOptions,
} from './options.js';
import { readPinFrom } from './secret-sources.js';
import { tracker } from './progress.js';
import { formatKeyReport, reportOfTokenKey } from './report.js';

interface ImportOptions extends TokenOptions {
  readonly label?: string;
  readonly id?: string;
  readonly passphraseSource?: string;
}

export function addImport(key: Command): void {
  withNameOptions(withTokenOptions(key.command('import')))
    .description('put a private key from a PEM file into a token; better make one inside')
    .argument('<file>', 'PEM file with the private key')
    .option('--passphrase-source <source>', 'where its passphrase comes from, if it has one')
    .action(async (file: string, options: ImportOptions) => {
      await importFile(file, options);
    });
}

async function importFile(file: string, options: ImportOptions): Promise<void> {
  const uri = uriOfOptions(options);
  const names = newKeyNames(options, uri);
  const context = keyContext(options);
  const path = isAbsolute(file) ? file : resolve(file);
  const privateKey = await readKey(path, options.passphraseSource, context);
  const track = tracker('importing the key');
  const made = await importTokenKey(uri, { ...names, privateKey, track }, context);
  printNote(
    `warning: a copy of this key exists outside the token, in ${path} and wherever it was copied to`,
  );
  printReport(options, reportOfTokenKey(made, uri), formatKeyReport);
}

async function readKey(
  path: string,
  passphraseSource: string | undefined,
  context: KeyContext,
): Promise<KeyObject> {
  const pem = readPrivateFile(path, 'private key');
  try {
    if (!isEncryptedPemKey(pem, path)) {
      return parsePemKey(pem, path);
    }
    const option = { option: 'passphrase-source', source: passphraseSource };
    const passphrase = await readPinFrom(option, `Passphrase of ${path}`, context);
    try {
      return passphrase.use((bytes) => parsePemKey(pem, path, bytes));
    } finally {
      passphrase.wipe();
    }
  } finally {
    pem.fill(0);
  }
}
