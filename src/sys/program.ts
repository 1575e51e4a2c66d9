// Finds the programs that the configuration names: gpg, pinentry, the command of a PIN. Runs in
// clavigerd and its commands. The search path of the environment is not used: it belongs to whoever
// starts us, and a program of the same name put before the real one would be given secrets, and run
// as root where root calls.

import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

const FOLDERS = ['/usr/bin', '/bin'] as const;

/** The search path of the programs that we start, for those that they start in turn. */
export const PROGRAM_PATH: string = FOLDERS.join(':');

/**
 * The path of a program: an absolute path is taken as it is, a bare name is sought in /usr/bin and
 * /bin.
 * @throws AppError SYS_PATH when it is in neither, or the name is a relative path
 */
export function locateProgram(name: string): string {
  if (isAbsolute(name)) {
    return name;
  }
  const found = name.includes('/')
    ? undefined
    : FOLDERS.map((folder) => `${folder}/${name}`).find(isProgram);
  if (found === undefined) {
    throw new AppError('SYS_PATH', `${printable(name, 200)} is not in ${FOLDERS.join(' or ')}`, {
      hint: 'name a program elsewhere by its absolute path',
    });
  }
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
