// `clavigerd key list` and `clavigerd key show`: the keys in tokens, and one public key in all its
// formats. A process of its own, run by a person.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { openAccountKey } from '../../keys/open-account-key.js';
import { isPkcs11Uri } from '../../keys/pkcs11/uri.js';
import { findTokenKey, listTokenContents } from '../../keys/admin/token-admin.js';
import { AppError } from '../../lib/errors.js';
import {
  keyContext,
  printNote,
  printReport,
  uriOfKey,
  uriOfOptions,
  withKeyOptions,
  withTokenOptions,
  type KeyOptions,
  type TokenOptions,
} from './options.js';
import {
  formatKeyReport,
  formatTokenTable,
  reportOfKey,
  reportOfToken,
  reportOfTokenKey,
  type KeyReport,
} from './report.js';
import { createRequest } from './request.js';

interface ListOptions extends TokenOptions {
  readonly login?: boolean;
}

interface ShowOptions extends KeyOptions {
  readonly login?: boolean;
  readonly openssh?: boolean;
  readonly csr?: string;
}

/** RFC 5280 §4.2.1.6 and RFC 1034 §3.5, a wildcard in front allowed. */
const DNS_NAME =
  /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAX_DNS_NAME = 253;

export function addList(key: Command): void {
  withTokenOptions(key.command('list'))
    .description('list tokens and their keys; without a login what is public')
    .option('--login', 'log in to the token, to see its private keys')
    .action(async (options: ListOptions) => {
      await list(options);
    });
}

export function addShow(key: Command): void {
  withKeyOptions(key.command('show'))
    .description('print the public key, its JWK and thumbprint, and its URI')
    .argument('<key>', 'pkcs11: URI, or file:PATH')
    .option('--login', 'log in to the token, to see whether the private key is there')
    .option('--openssh', 'print the public key as OpenSSH writes it')
    .addOption(
      new Option('--csr <name>', 'print a certificate request for a DNS name, signed by the key')
        .argParser(parseDnsName)
        .conflicts('openssh'),
    )
    .action(async (text: string, options: ShowOptions) => {
      await show(text, options);
    });
}

function parseDnsName(text: string): string {
  if (text.length > MAX_DNS_NAME || !DNS_NAME.test(text)) {
    throw new InvalidArgumentError('It is a DNS name, in ASCII.');
  }
  return text.toLowerCase();
}

async function list(options: ListOptions): Promise<void> {
  const login = options.login === true || options.pinSource !== undefined;
  const contents = await listTokenContents(uriOfOptions(options), login, keyContext(options));
  printReport(options, contents.map(reportOfToken), formatTokenTable);
}

async function show(text: string, options: ShowOptions): Promise<void> {
  const report =
    options.csr === undefined && isPkcs11Uri(text)
      ? await reportOfUri(text, options)
      : await reportOfOpened(text, options);
  if (options.openssh === true && report.openssh === undefined) {
    throw new AppError('KEY_UNSUPPORTED', `key: OpenSSH knows no keys of this type`);
  }
  printReport(options, report, (shown) => formatShown(shown, options));
}

function formatShown(report: KeyReport, options: ShowOptions): string {
  if (options.openssh === true) {
    return `${report.openssh ?? ''}\n`;
  }
  return report.request ?? formatKeyReport(report);
}

async function reportOfUri(text: string, options: ShowOptions): Promise<KeyReport> {
  const uri = uriOfKey(text, options);
  const login = options.login === true || options.pinSource !== undefined;
  const found = await findTokenKey(uri, login, keyContext(options));
  if (found.privateHalf === 'absent') {
    printNote('warning: the token has no private key for this public key: it cannot sign');
  }
  return reportOfTokenKey(found, uri);
}

/** For a key that is no PKCS#11 one, or that has to sign a request: opens it as the daemon does. */
async function reportOfOpened(text: string, options: ShowOptions): Promise<KeyReport> {
  if (isPkcs11Uri(text)) {
    uriOfKey(text, options);
  }
  const key = await openAccountKey(text, keyContext(options));
  try {
    const report = reportOfKey(key.jwk, key.description);
    return options.csr === undefined
      ? report
      : { ...report, request: await createRequest(key, options.csr) };
  } finally {
    await key.close();
  }
}
