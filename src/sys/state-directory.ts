// The folder in which the daemon keeps what must survive it (systemd: StateDirectory=). Daemon and commands.
// Made with mode 0700; refused where another user could change what is in it.

import { mkdirSync } from 'node:fs';
import { AppError, messageOf } from '../lib/errors.js';
import { assertPrivateDirectory } from './safe-path.js';

/**
 * Makes the folder unless it is there, and checks it.
 * @throws AppError SYS_FILE when it cannot be made; SYS_UNSAFE_PATH when others could write there.
 */
export function prepareStateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new AppError('SYS_FILE', `state directory: ${messageOf(error)}`, {
      hint: 'the setting state-directory names another one; a systemd unit needs StateDirectory=',
      cause: error,
    });
  }
  assertPrivateDirectory(path, process.geteuid?.() ?? 0);
}
