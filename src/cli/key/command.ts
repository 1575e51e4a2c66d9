// The `clavigerd key` commands: keys and PINs in PKCS#11 tokens. A process of its own, run by a
// person, also while the daemon runs. What tokens say is escaped before it is printed; no private
// key and no PIN is ever printed.

import type { Command } from 'commander';
import { addAttest } from './attest.js';
import { addDelete } from './delete.js';
import { addGenerate } from './generate.js';
import { addImport } from './import.js';
import { addPinChange } from './pin-change.js';
import { addList, addShow } from './show.js';
import { addTest } from './test.js';

const HELP = `
PINs come from a file, a variable, a credential, a command or the terminal, never from the command line:
  --pin-source file:/PATH | env:NAME | credential:NAME | '|COMMAND' | pinentry | prompt   (default: prompt)

Examples:
  clavigerd key generate --module-name softhsm2 --token acme --label account --type p256
  clavigerd key generate --module-name softhsm2 --token acme --init-token
  clavigerd key list --module /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
  clavigerd key show 'pkcs11:token=acme;object=account?module-name=softhsm2'
  clavigerd key pin change --module-name ykcs11
`;

/** Adds `key` with its commands to the program. */
export function addKeyCommands(program: Command): void {
  const key = program
    .command('key')
    .description('make, look at, test and delete keys in PKCS#11 tokens')
    .addHelpText('after', HELP);
  // --config may also be given before `key`, where the daemon takes it.
  key.hook('preAction', (_key, command) => {
    const config: unknown = program.opts()['config'];
    if (config !== undefined && command.getOptionValue('config') === undefined) {
      command.setOptionValue('config', config);
    }
  });
  addGenerate(key);
  addImport(key);
  addList(key);
  addShow(key);
  addTest(key);
  addAttest(key);
  addDelete(key);
  addPinChange(key);
}
