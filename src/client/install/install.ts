// Puts certificates and keys in place, all files or none. Runs in claviger. It must never overwrite
// a private key, and never write through a folder that another user can replace.

import { constants, type Stats } from 'node:fs';
import { access, lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { replaceFiles, type NewFile } from '../../sys/files/atomic-file.js';
import { assertUnreplaceable } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';
import { assertRoom, roomHint } from './disk-room.js';
import { readBoundedFile } from '../../sys/files/bounded-file.js';

/** A larger file is none that was installed from here, and is not replaced. */
const MAX_REPLACED_BYTES = 1024 * 1024;
/** Errors that stay until the folder or the configuration is changed: SYS_PATH, exit status 2. */
const CLOSED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EROFS']);

export interface Installation {
  /** The files to be replaced. */
  readonly outputs: readonly string[];
  readonly key: string;
  /** True when the key is to be created too. */
  readonly isNewKey: boolean;
}

/**
 * Checks, before a certificate is ordered, that its files can be put in place later and that no
 * private key would be overwritten.
 * @throws AppError CLIENT_INSTALL; SYS_PATH for a folder that is missing or closed to this user,
 *   SYS_UNSAFE_PATH for one that another user could put another one in place of
 */
export async function assertInstallable(plan: Installation): Promise<void> {
  const { outputs, key, isNewKey } = plan;
  for (const path of isNewKey ? [...outputs, key] : outputs) {
    await assertWritableFolder(path);
  }
  await assertDistinct([key, ...outputs]);
  for (const path of outputs) {
    await assertReplaceable(path);
  }
  // A new key replaces nothing, not even a dangling link.
  if (isNewKey && (await entryOf(key)) !== undefined) {
    throw new AppError('CLIENT_INSTALL', `${key}: exists, and is no key`);
  }
}

async function assertWritableFolder(path: string): Promise<void> {
  const directory = dirname(path);
  try {
    // R_OK: the folder is opened for fsync(2).
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    await assertRoom(directory);
  } catch (error) {
    const code = systemCodeOf(error) ?? '';
    const isMissing = code === 'ENOENT';
    const kind = isMissing || CLOSED.has(code) ? 'SYS_PATH' : 'CLIENT_INSTALL';
    throw new AppError(kind, `${path}: cannot be written: ${messageOf(error)}`, {
      hint: isMissing ? `create the folder: mkdir -p ${directory}` : roomHint(error),
      cause: error,
    });
  }
  // Another owner could replace the folder between one file and the next.
  assertUnreplaceable(directory, effectiveUserId());
}

async function assertDistinct(paths: readonly string[]): Promise<void> {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const directory = await realpath(dirname(path)).catch(() => dirname(path));
    const place = join(directory, basename(path));
    const other = seen.get(place);
    if (other !== undefined) {
      throw new AppError('CLIENT_INSTALL', `${path}: is the same file as ${other}`, {
        hint: 'key, cert, chain and fullchain must be different files',
      });
    }
    seen.set(place, path);
  }
}

async function assertReplaceable(path: string): Promise<void> {
  let content: Buffer;
  try {
    content = await readBoundedFile(path, MAX_REPLACED_BYTES);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return;
    }
    throw new AppError('CLIENT_INSTALL', `${path}: not to be replaced: ${messageOf(error)}`, {
      hint: 'what is there may not be a certificate; name another file, or move this one away',
      cause: error,
    });
  }
  const hasKey = content.includes('PRIVATE KEY');
  content.fill(0);
  if (hasKey) {
    throw new AppError('CLIENT_INSTALL', `${path}: holds a private key, and is not replaced`, {
      hint: 'name a file for certificates alone, or move this one away',
    });
  }
}

/** What is at a path, for a symbolic link the link itself; undefined when nothing is. */
async function entryOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw new AppError('CLIENT_INSTALL', messageOf(error), { cause: error });
  }
}

/**
 * Puts files in place. All are written under other names first, so that a full disk changes
 * nothing. A file that replaces another gets its owner, group and mode: the service that reads it
 * may run as another user.
 * @throws AppError CLIENT_INSTALL
 */
export async function installFiles(files: readonly NewFile[]): Promise<void> {
  try {
    await replaceFiles(await Promise.all(files.map(likeExisting)));
  } catch (error) {
    throw new AppError('CLIENT_INSTALL', messageOf(error), { hint: roomHint(error), cause: error });
  }
}

async function likeExisting(file: NewFile): Promise<NewFile> {
  const existing = file.isCreated === true ? undefined : await entryOf(file.path);
  if (existing?.isFile() !== true) {
    return file;
  }
  const owner = mayGiveTo(existing) ? { uid: existing.uid, gid: existing.gid } : undefined;
  return { ...file, mode: existing.mode & 0o777, ...(owner && { owner }) };
}

/** Root may give a file to any user, others only to a group of their own. */
function mayGiveTo({ uid, gid }: Stats): boolean {
  const userId = effectiveUserId();
  return userId === 0 || (uid === userId && process.getgroups?.().includes(gid) === true);
}
