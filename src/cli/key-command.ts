// The `clavigerd key` commands: make, list and show keys in PKCS#11 tokens. Runs for a person, beside the
// daemon. What tokens say is escaped before it is printed; nothing private is ever printed.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { KeyContext } from '../keys/key-context.js';
import { openAccountKey } from '../keys/open-account-key.js';
import { isPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri } from '../keys/pkcs11-uri.js';
import {
  assertNoPinValue,
  findTokenKey,
  generateTokenKey,
  listTokenContents,
} from '../keys/token-admin.js';
import { printable } from '../lib/printable.js';
import { KEY_TYPES, type GeneratedKeyType } from '../token/messages.js';
import {
  formatKeyReport,
  formatTokenTable,
  reportOfKey,
  reportOfToken,
  reportOfTokenKey,
} from './key-report.js';
import { terminalPrompt } from './terminal-prompt.js';

interface TokenOptions {
  readonly uri?: string;
  readonly token?: string;
  readonly serial?: string;
  readonly module?: string;
  readonly moduleName?: string;
  readonly pinSource?: string;
  readonly json?: boolean;
}

interface ShowOptions {
  readonly pinSource?: string;
  readonly json?: boolean;
}

interface GenerateOptions extends TokenOptions {
  readonly label: string;
  readonly id?: string;
  readonly type: GeneratedKeyType;
}

interface ListOptions extends TokenOptions {
  readonly login?: boolean;
}

const HELP = `
PINs come from a file, a variable, a systemd credential or the terminal, never from the command line:
  --pin-source file:/PATH | env:NAME | credential:NAME | prompt   (default: prompt)

Examples:
  clavigerd key generate --module-name softhsm2 --token acme --label account --type p256
  clavigerd key list --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
  clavigerd key show 'pkcs11:token=acme;object=account?module-name=softhsm2'
`;

/** Adds `key generate`, `key list` and `key show` to the program. */
export function addKeyCommands(program: Command): void {
  const key = program
    .command('key')
    .description('make, list and show keys in PKCS#11 tokens')
    .addHelpText('after', HELP);
  addGenerate(key);
  addList(key);
  addShow(key);
}

function addGenerate(key: Command): void {
  withTokenOptions(key.command('generate'))
    .description('make a key in a token: it cannot be read out, and only signs')
    .addOption(new Option('--type <type>', 'kind of key').choices(KEY_TYPES).default('p256'))
    .option('--label <label>', "the key's label (CKA_LABEL)", 'claviger')
    .option('--id <hex>', "the key's ID (CKA_ID), hexadecimal (default: random)", hexId)
    .action(async (options: GenerateOptions) => {
      await generate(options);
    });
}

function addList(key: Command): void {
  withTokenOptions(key.command('list'))
    .description('list tokens and their keys; without a login what is public')
    .option('--login', 'log in to the token, to see its private keys')
    .action(async (options: ListOptions) => {
      await list(options);
    });
}

function addShow(key: Command): void {
  key
    .command('show')
    .description('print the public key, its JWK and thumbprint, and its URI')
    .argument('<key>', 'pkcs11: URI, or file:PATH')
    .option('--pin-source <source>', 'where the PIN comes from, when one is needed')
    .option('--json', 'print JSON')
    .action(async (text: string, options: ShowOptions) => {
      await show(text, options);
    });
}

function withTokenOptions(command: Command): Command {
  const parts = ['token', 'serial', 'module', 'moduleName'];
  return command
    .addOption(new Option('--uri <uri>', 'token and module as a pkcs11: URI').conflicts(parts))
    .option('--token <label>', "the token's label")
    .option('--serial <serial>', "the token's serial number")
    .addOption(
      new Option('--module <path>', 'the PKCS#11 module, a shared library').conflicts('moduleName'),
    )
    .option('--module-name <name>', 'a module known by name: softhsm2, opensc, ...')
    .option('--pin-source <source>', 'where the PIN comes from (default: prompt)')
    .option('--json', 'print JSON');
}

function hexId(text: string): string {
  if (!/^(?:[0-9a-f]{2}){1,64}$/i.test(text)) {
    throw new InvalidArgumentError('It is hexadecimal, two digits a byte.');
  }
  return text.toLowerCase();
}

async function generate(options: GenerateOptions): Promise<void> {
  const uri = uriOf(options);
  const { type, label } = options;
  const id = options.id ?? randomBytes(8).toString('hex');
  tell(`generating a key of type ${type}; a smartcard may take minutes`);
  const made = await generateTokenKey(uri, { type, label, id }, keyContext(options));
  print(options, reportOfTokenKey(made, uri), formatKeyReport);
}

async function list(options: ListOptions): Promise<void> {
  const login = options.login === true || options.pinSource !== undefined;
  const contents = await listTokenContents(uriOf(options), login, keyContext(options));
  print(options, contents.map(reportOfToken), formatTokenTable);
}

async function show(text: string, options: ShowOptions): Promise<void> {
  const context = keyContext(options);
  if (isPkcs11Uri(text)) {
    const uri = parsePkcs11Uri(text);
    assertNoPinValue(uri);
    print(options, reportOfTokenKey(await findTokenKey(uri, context), uri), formatKeyReport);
    return;
  }
  const key = await openAccountKey(text, context);
  print(options, reportOfKey(key.jwk, key.description), formatKeyReport);
  await key.close();
}

/** The token and the module, from a URI or from options of their own. */
function uriOf(options: TokenOptions): Pkcs11Uri {
  if (options.uri !== undefined) {
    const uri = parsePkcs11Uri(options.uri);
    assertNoPinValue(uri);
    return { ...uri, pinSource: options.pinSource ?? uri.pinSource };
  }
  return {
    token: { label: options.token, serial: options.serial },
    key: {},
    modulePath: options.module === undefined ? undefined : resolve(options.module),
    moduleName: options.moduleName,
    pinSource: options.pinSource,
    pinValue: undefined,
  };
}

function keyContext(options: { readonly pinSource?: string }): KeyContext {
  return {
    env: process.env,
    prompt: terminalPrompt(),
    log: (level, message) => {
      if (level === 'error' || level === 'warning') {
        tell(message);
      }
    },
    pinSource: options.pinSource,
  };
}

function tell(message: string): void {
  process.stderr.write(`clavigerd: ${printable(message)}\n`);
}

function print<T>(
  options: { readonly json?: boolean },
  report: T,
  format: (report: T) => string,
): void {
  process.stdout.write(
    options.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : format(report),
  );
}
