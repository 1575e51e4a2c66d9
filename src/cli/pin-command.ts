// The `clavigerd pin` commands: show which tokens get no PIN any more, and allow one more attempt. Runs for a
// person, beside the daemon, which looks at the latches before each attempt. No PIN is read here.

import type { Command } from 'commander';
import { resolve } from 'node:path';
import { DEFAULT_CONFIG_PATH, parseStateDirectory } from '../config/clavigerd-config.js';
import { specifierValues } from '../config/specifiers.js';
import { describeLatch, howToOpen } from '../keys/pin-latch.js';
import { listLatches, removeLatch, type StoredLatch } from '../keys/pin-latch-store.js';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { readConfigFile } from './config-file.js';
import { readSpecifierEnvironment, readStateDirectory } from './process-environment.js';
import { printJson, printText } from './standard-output.js';

interface PinOptions {
  readonly config?: string;
  readonly stateDirectory?: string;
}

interface StatusOptions extends PinOptions {
  readonly json?: boolean;
}

interface ClearOptions extends PinOptions {
  readonly token?: string;
}

const HELP = `
A token that refused a PIN gets no other until the PIN source changes, or until you clear its latch:
three wrong PINs lock most cards. Correct the PIN source first; a running daemon goes on by itself.
`;

/** Adds `pin status` and `pin clear` to the program. */
export function addPinCommands(program: Command): void {
  const pin = program
    .command('pin')
    .description('show refused PINs, and allow another attempt')
    .addHelpText('after', HELP);
  withPlace(pin.command('status'))
    .description('show the tokens that get no PIN, and why')
    .option('--json', 'print JSON')
    .action((_options: StatusOptions, command: Command) => {
      status(command.optsWithGlobals());
    });
  withPlace(pin.command('clear'))
    .description('allow another attempt with the PIN')
    .option('--token <serial>', 'for the token of this serial number (default: for all)')
    .action((_options: ClearOptions, command: Command) => {
      clear(command.optsWithGlobals());
    });
}

function withPlace(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file that names the state directory')
    .option('--state-directory <path>', "the daemon's state directory (default: as configured)");
}

function status(options: StatusOptions): void {
  const latches = listLatches(stateDirectory(options));
  if (options.json === true) {
    printJson(latches.map(reportOf));
  } else {
    printText(`${latches.map(describe).join('\n') || 'no PIN has been refused'}\n`);
  }
}

function clear(options: ClearOptions): void {
  const latches = listLatches(stateDirectory(options));
  const { token } = options;
  const chosen = latches.filter(
    ({ latch }) => token === undefined || latch === undefined || latch.token.serial === token,
  );
  if (chosen.length === 0 && token !== undefined) {
    throw new AppError('KEY_PIN', `token ${JSON.stringify(token)}: no PIN of it has been refused`, {
      hint: '`clavigerd pin status` shows what there is; --token wants the serial number',
    });
  }
  for (const stored of chosen) {
    removeLatch(stored.path);
    printText(`cleared: ${nameOf(stored)}\n`);
  }
  if (chosen.length === 0) {
    printText('no PIN has been refused\n');
  }
}

function stateDirectory({ config, stateDirectory: named }: PinOptions): string {
  if (named !== undefined) {
    return resolve(named);
  }
  const specifiers = specifierValues(readSpecifierEnvironment(process.env));
  const file = readConfigFile(config, DEFAULT_CONFIG_PATH, specifiers);
  return parseStateDirectory({
    source: file.path,
    text: file.text,
    specifiers,
    stateDirectory: readStateDirectory(process.env),
  });
}

function nameOf({ path, latch }: StoredLatch): string {
  return latch === undefined
    ? `${path} (damaged)`
    : `token ${printable(JSON.stringify(latch.token.label))} (serial ${printable(latch.token.serial)})`;
}

function describe(stored: StoredLatch): string {
  const { latch } = stored;
  return latch === undefined
    ? `${nameOf(stored)}: holds until it is cleared`
    : `${nameOf(stored)}: ${printable(describeLatch(latch))}\n  ${printable(howToOpen(latch))}`;
}

function reportOf({ path, latch }: StoredLatch): object {
  if (latch === undefined) {
    return { path, damaged: true };
  }
  const { token, source, state, reason, attempts, since } = latch;
  return { path, token, source, state, reason, attempts, since };
}
