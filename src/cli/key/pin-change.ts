// `clavigerd key pin change`: sets another PIN in a token, with the present PIN or that of the
// security officer. A process of its own, run by a person. PINs come from PIN sources, never from
// arguments; each is sent once.

import type { Command } from 'commander';
import { changeTokenPin } from '../../keys/admin/token-setup.js';
import { AppError } from '../../lib/errors.js';
import { nameOfToken } from '../../keys/pin/token-name.js';
import {
  keyContext,
  printNote,
  printReport,
  uriOfOptions,
  withTokenOptions,
  type TokenOptions,
} from './options.js';
import { readNewPin, tokenPinFrom } from './secret-sources.js';

interface ChangeOptions extends TokenOptions {
  readonly newPinSource?: string;
  readonly unblock?: boolean;
  readonly soPinSource?: string;
}

export function addPinChange(key: Command): void {
  const pin = key.command('pin').description('change the PIN of a token');
  withTokenOptions(pin.command('change'))
    .description('change the PIN of a token; one attempt is made')
    .option('--new-pin-source <source>', 'where the new PIN comes from (default: prompt, twice)')
    .option('--unblock', 'set a new PIN with the SO PIN, when the present one is locked or lost')
    .option('--so-pin-source <source>', 'with --unblock, where the SO PIN comes from')
    .action(async (options: ChangeOptions) => {
      await change(options);
    });
}

async function change(options: ChangeOptions): Promise<void> {
  const { unblock = false, soPinSource, newPinSource } = options;
  if (!unblock && soPinSource !== undefined) {
    throw new AppError('CONFIG_USAGE', '--so-pin-source: is for --unblock alone');
  }
  if (unblock && options.pinSource !== undefined) {
    throw new AppError('CONFIG_USAGE', '--pin-source: the present PIN is not needed to unblock');
  }
  const uri = uriOfOptions(options);
  const context = keyContext(options);
  const present = unblock
    ? tokenPinFrom({ option: 'so-pin-source', source: soPinSource }, 'SO PIN', context)
    : tokenPinFrom({ option: 'pin-source', source: uri.pinSource }, 'Present PIN', context);
  const token = await changeTokenPin(
    uri,
    {
      by: unblock ? 'so' : 'user',
      present,
      readNew: (found) =>
        readNewPin(
          { option: 'new-pin-source', source: newPinSource },
          `New PIN of ${nameOfToken(found)}`,
          context,
        ),
    },
    context,
  );
  printNote(
    'a daemon that uses this token needs the new PIN in its PIN source before its next start',
  );
  const report = { token: token.label, serial: token.serial, changed: true };
  printReport(options, report, () => `the PIN of ${nameOfToken(token)} is changed\n`);
}
