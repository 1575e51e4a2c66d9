// `clavigerd key delete`: deletes one key of a token after a person has typed its label. It cannot
// be undone: without its key an ACME account cannot be used or closed. A process of its own.

import type { Command } from 'commander';
import { deleteTokenKey, type DeletedKey } from '../../keys/admin/key-objects.js';
import { printable } from '../../lib/printable.js';
import type { KeyInfo, TokenInfo } from '../../token/messages.js';
import { confirmName } from './confirm.js';
import {
  keyContext,
  printNote,
  printReport,
  uriOfKey,
  withKeyOptions,
  type KeyOptions,
} from './options.js';

interface DeleteOptions extends KeyOptions {
  readonly yesDelete?: string;
}

export function addDelete(key: Command): void {
  withKeyOptions(key.command('delete'))
    .description('delete a key of a token for ever, after its label has been typed')
    .argument('<key>', 'pkcs11: URI that only this key matches')
    .option('--yes-delete <label>', 'for scripts: the label, in place of typing it')
    .action(async (text: string, options: DeleteOptions) => {
      await deleteKey(text, options);
    });
}

async function deleteKey(text: string, options: DeleteOptions): Promise<void> {
  const uri = uriOfKey(text, options);
  const confirm = async (key: KeyInfo, token: TokenInfo): Promise<void> => {
    const what = key.hasPrivate ? key.type : `${key.type}, public key alone`;
    printNote(
      `about to delete key ${JSON.stringify(key.label)} id=${key.id} (${what}) of token ${JSON.stringify(token.label)} serial ${token.serial}`,
    );
    const question = `Type the ${key.label === '' ? 'ID' : 'label'} of the key to delete it for ever`;
    await confirmName(key.label || key.id, question, options.yesDelete);
  };
  const deleted = await deleteTokenKey(uri, confirm, keyContext(options));
  printReport(options, reportOfDeleted(deleted), formatDeleted);
}

interface DeletedReport {
  readonly token: string;
  readonly serial: string;
  readonly label: string;
  readonly id: string;
  readonly privateKeys: number;
  readonly publicKeys: number;
  readonly certificates: number;
}

function reportOfDeleted({ token, key, ...counts }: DeletedKey): DeletedReport {
  return {
    token: token.label,
    serial: token.serial,
    label: key.label,
    id: key.id,
    ...counts,
  };
}

function formatDeleted(report: DeletedReport): string {
  const { privateKeys, publicKeys, certificates } = report;
  const label = printable(JSON.stringify(report.label));
  return `deleted ${label} id=${printable(report.id)}: private keys ${privateKeys}, public keys ${publicKeys}, certificates ${certificates}\n`;
}
