// Explains why a path of the configuration cannot be used: which step of it is missing, or closed
// to which user. Any process, for error messages alone; nothing is opened.

import { accessSync, constants, lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, systemCodeOf } from '../../lib/errors.js';
import { systemReason } from '../../lib/system-reason.js';
import { currentUser } from '../user.js';
import { sharedFolderAdvice } from './file-owner.js';

/** The next start fails over these as well, until somebody changes the path or what is there. */
const LASTING: ReadonlySet<string> = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENXIO',
  'EROFS',
]);

/**
 * The error of a file or a folder that could not be opened.
 * @param what names its purpose: `PIN file`; empty where what wraps the error says it.
 * @param hint what to do where it is missing; there is one where a user may not get to it.
 * @returns AppError SYS_PATH, or SYS_FILE for what may be otherwise at the next attempt (EIO,
 *   ENOSPC, ...)
 */
export function pathTrouble(what: string, path: string, error: unknown, hint?: string): AppError {
  const code = systemCodeOf(error) ?? '';
  const { problem, advice } = describe(path, code, error);
  const subject = what === '' ? '' : `${what}: `;
  return new AppError(LASTING.has(code) ? 'SYS_PATH' : 'SYS_FILE', `${subject}${problem}`, {
    hint: code === 'ENOENT' ? hint : advice,
    cause: error,
  });
}

function describe(
  path: string,
  code: string,
  error: unknown,
): { readonly problem: string; readonly advice?: string } {
  if (code === 'ENOENT') {
    const missing = firstMissing(path);
    const where = missing === path ? '' : ` (there is no folder ${missing})`;
    return { problem: `there is no ${path}${where}` };
  }
  if (code !== 'EACCES' && code !== 'EPERM') {
    return { problem: `${path}: ${systemReason(error)}` };
  }
  return describeClosed(path);
}

/** The advice never gives a folder to another user: it may be one of the system. */
function describeClosed(path: string): { readonly problem: string; readonly advice: string } {
  const user = currentUser();
  const closed = firstClosedFolder(path);
  if (closed !== undefined) {
    return {
      problem: `${path} may not be opened by ${user}: the folder ${closed} is closed to it`,
      advice: `this runs as ${user}: keep the file in a folder that this user gets into`,
    };
  }
  const folder = folderToWrite(path);
  return folder === undefined
    ? {
        problem: `${path} may not be opened by ${user}`,
        advice: `this runs as ${user}: give the file to that user, or, if it is no secret, to a group of it`,
      }
    : {
        problem: `${user} may not write in the folder ${folder}`,
        advice: sharedFolderAdvice(folder),
      };
}

/**
 * The path itself when it is a folder, or the one in which it would be made; undefined for a file
 * that is there.
 */
function folderToWrite(path: string): string | undefined {
  let at = path;
  while (at !== dirname(at) && !exists(at)) {
    at = dirname(at);
  }
  return at !== path || isFolder(at) ? at : undefined;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // a symbolic link into what is closed
  }
}

function firstMissing(path: string): string {
  let missing = path;
  for (let at = dirname(path); at !== dirname(at) && !exists(at); at = dirname(at)) {
    missing = at;
  }
  return missing;
}

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== 'ENOENT';
  }
}

function firstClosedFolder(path: string): string | undefined {
  const folders: string[] = [];
  for (let at = dirname(path); ; at = dirname(at)) {
    folders.unshift(at);
    if (at === dirname(at)) {
      return folders.find((folder) => !isPassable(folder));
    }
  }
}

function isPassable(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'ENOENT';
  }
}
