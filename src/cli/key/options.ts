// What the `clavigerd key` commands share: options that name a token and a key, the environment and
// terminal of this process for the keys, and how results are printed. Values of options are not
// trusted: their length is checked here, for a token helper refuses longer ones.

import { resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { KeyContext } from '../../keys/key-context.js';
import { LoginAttempts } from '../../keys/pin/login-attempts.js';
import { parsePkcs11Uri, type Pkcs11Uri } from '../../keys/pkcs11/uri.js';
import { assertNoPinValue } from '../../keys/admin/token-admin.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { finishLoginsAtInterrupt } from './login-interrupt.js';
import { printStderr } from '../terminal/standard-error.js';
import { printJson, printText } from '../terminal/standard-output.js';
import {
  stateDirectoryOf,
  withStateDirectory,
  type StateDirectoryOptions,
} from './state-directory-option.js';
import { terminalPrompt } from '../terminal/prompt.js';

export interface TokenOptions extends StateDirectoryOptions {
  readonly uri?: string;
  readonly token?: string;
  readonly serial?: string;
  readonly module?: string;
  readonly moduleName?: string;
  readonly pinSource?: string;
  readonly json?: boolean;
}

/** For commands whose argument is one key. */
export interface KeyOptions extends StateDirectoryOptions {
  readonly pinSource?: string;
  readonly json?: boolean;
}

const MAX_LABEL_BYTES = 255;
const MAX_ID_BYTES = 64;

/** Adds the options that name a token and a module, and `--json`. */
export function withTokenOptions(command: Command): Command {
  const parts = ['token', 'serial', 'module', 'moduleName'];
  return withKeyOptions(
    command
      .addOption(new Option('--uri <uri>', 'token and module as a pkcs11: URI').conflicts(parts))
      .option('--token <label>', "the token's label", parseLabel)
      .option('--serial <serial>', "the token's serial number", parseLabel)
      .addOption(
        new Option('--module <path>', 'the PKCS#11 module, a shared library').conflicts(
          'moduleName',
        ),
      )
      .option('--module-name <name>', 'a module known by name: softhsm2, opensc, ...'),
  );
}

/** Adds `--pin-source`, `--json`, and the options that name the state directory. */
export function withKeyOptions(command: Command): Command {
  return withStateDirectory(command)
    .option('--pin-source <source>', 'where the PIN comes from (default: prompt)')
    .option('--json', 'print JSON');
}

/** Adds the names of a new key. Their defaults are `object=` and `id=` of the URI. */
export function withNameOptions(command: Command): Command {
  return command
    .option('--label <label>', "the key's label, CKA_LABEL (default: claviger)", parseLabel)
    .option('--id <hex>', "the key's ID, CKA_ID, hexadecimal (default: random)", parseHexId);
}

/** @throws InvalidArgumentError for a text that no token can hold */
function parseLabel(text: string): string {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes === 0 || bytes > MAX_LABEL_BYTES || text.includes('\0')) {
    throw new InvalidArgumentError(`It has 1 to ${MAX_LABEL_BYTES} bytes, none of them NUL.`);
  }
  return text;
}

function parseHexId(text: string): string {
  if (!/^(?:[0-9a-f]{2})+$/i.test(text) || text.length > 2 * MAX_ID_BYTES) {
    throw new InvalidArgumentError(
      `It is hexadecimal, two digits a byte, at most ${MAX_ID_BYTES} bytes.`,
    );
  }
  return text.toLowerCase();
}

/**
 * The token and the module, from `--uri` or from the options for its parts. @throws AppError
 * KEY_URI
 */
export function uriOfOptions(options: TokenOptions): Pkcs11Uri {
  if (options.uri !== undefined) {
    const uri = parseUriArgument(options.uri);
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

/**
 * Parses the argument that names a key; `--pin-source` overrides that of the URI.
 * @throws AppError KEY_URI
 */
export function uriOfKey(text: string, options: KeyOptions): Pkcs11Uri {
  const uri = parseUriArgument(text);
  return { ...uri, pinSource: options.pinSource ?? uri.pinSource };
}

function parseUriArgument(text: string): Pkcs11Uri {
  const uri = parsePkcs11Uri(text);
  assertNoPinValue(uri);
  return uri;
}

/**
 * A name that both an option and the URI can give.
 * @throws AppError CONFIG_USAGE when they differ
 */
export function eitherName(
  option: string | undefined,
  inUri: string | undefined,
  name: string,
): string | undefined {
  if (option !== undefined && inUri !== undefined && option !== inUri) {
    throw new AppError('CONFIG_USAGE', `--${name}: the URI says another one`, {
      hint: `leave --${name} out, or take it out of the URI`,
    });
  }
  return option ?? inUri;
}

/** The environment and the terminal of this process, as the keys take them. */
export function keyContext(
  options: StateDirectoryOptions & { readonly pinSource?: string },
): KeyContext {
  const attempts = new LoginAttempts();
  finishLoginsAtInterrupt(attempts);
  return {
    env: process.env,
    prompt: terminalPrompt(),
    log: (level, message) => {
      if (level === 'error' || level === 'warning' || level === 'notice') {
        printNote(message);
      }
    },
    pinSource: options.pinSource,
    stateDirectory: () => stateDirectoryOf(options),
    attempts,
  };
}

/** Prints one line on standard error. */
export function printNote(message: string): void {
  printStderr(`clavigerd: ${printable(message)}\n`);
}

/**
 * Prints the result of a command on standard output, with `--json` as JSON.
 * @throws AppError SYS_OUTPUT
 */
export function printReport<T>(
  options: { readonly json?: boolean },
  report: T,
  format: (report: T) => string,
): void {
  if (options.json === true) {
    printJson(report);
  } else {
    printText(format(report));
  }
}
