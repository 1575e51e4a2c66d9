// The `clavigerd pin` commands: show the PIN latches of tokens, and remove them. A process of its
// own, run by a person; a running daemon reads the latches before each attempt and so follows at
// once. It never reads a PIN. What tokens say of themselves is escaped before it is printed.

import type { Command } from 'commander';
import { dirname } from 'node:path';
import { describeLatch, howToClear } from '../../keys/pin/latch.js';
import { listLatches, removeLatch, type StoredLatch } from '../../keys/pin/latch-store.js';
import { nameOfToken } from '../../keys/pin/token-name.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { printJson, printText } from '../terminal/standard-output.js';
import {
  stateDirectoryOf,
  withStateDirectory,
  type StateDirectoryOptions,
} from '../key/state-directory-option.js';

interface StatusOptions extends StateDirectoryOptions {
  readonly json?: boolean;
}

interface ClearOptions extends StateDirectoryOptions {
  readonly token?: string;
}

/** Longest wait for the end of an attempt that another process makes. */
const CLEAR_WAIT_MS = 10_000;

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
  withStateDirectory(pin.command('status'))
    .description('show the tokens that get no PIN, and why')
    .option('--json', 'print JSON')
    .action((_options: StatusOptions, command: Command) => {
      status(command.optsWithGlobals());
    });
  withStateDirectory(pin.command('clear'))
    .description('allow another attempt with the PIN')
    .option('--token <serial>', 'for the token of this serial number (default: for all)')
    .action(async (_options: ClearOptions, command: Command) => {
      await clear(command.optsWithGlobals());
    });
}

function status(options: StatusOptions): void {
  const latches = listLatches(stateDirectoryOf(options));
  if (options.json === true) {
    printJson(latches.map(reportOf));
  } else {
    printText(`${latches.map(describe).join('\n') || 'no PIN has been refused'}\n`);
  }
}

async function clear(options: ClearOptions): Promise<void> {
  const latches = listLatches(stateDirectoryOf(options));
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
    await removeLatch(stored.path, { waitMs: CLEAR_WAIT_MS, signal: new AbortController().signal });
    printText(`cleared: ${nameOf(stored)}\n`);
  }
  if (chosen.length === 0) {
    printText('no PIN has been refused\n');
  }
}

function nameOf({ path, latch }: StoredLatch): string {
  return latch === undefined ? `${path} (damaged)` : nameOfToken(latch.token);
}

function describe(stored: StoredLatch): string {
  const { path, latch, isUnderWay } = stored;
  if (latch === undefined) {
    return `${nameOf(stored)}: holds until it is cleared`;
  }
  const what = `${nameOf(stored)}: ${printable(describeLatch(latch, isUnderWay))}`;
  const way = isUnderWay ? 'wait for its end' : howToClear(latch, dirname(dirname(path)));
  return `${what}\n  ${printable(way)}`;
}

function reportOf({ path, latch, isUnderWay }: StoredLatch): object {
  if (latch === undefined) {
    return { path, damaged: true };
  }
  const { token, role = 'user', source, state, reason, attempts, since } = latch;
  return { path, token, role, source, state, underWay: isUnderWay, reason, attempts, since };
}
