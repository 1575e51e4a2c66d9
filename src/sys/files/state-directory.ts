// The folder in which a program keeps what must survive it (systemd: StateDirectory=). Any process.
// Made with mode 0700; refused where another user could change what is in it.

import { mkdirSync } from 'node:fs';
import { pathTrouble } from './path-trouble.js';
import { assertPrivateDirectory } from './safe-path.js';
import { effectiveUserId } from '../user.js';

/**
 * Makes the folder unless it is there, and checks it.
 * @throws AppError SYS_PATH or SYS_FILE when it cannot be made; SYS_UNSAFE_PATH when others could
 *   write there.
 */
export function prepareStateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const hint =
      'the setting state-directory names another one; a systemd unit needs StateDirectory=';
    throw pathTrouble('state directory', path, error, hint);
  }
  assertPrivateDirectory(path, effectiveUserId());
}
