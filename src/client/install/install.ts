// Puts certificates and keys in place: whole files or none. Runs in the client's master.

import { constants, type Stats } from 'node:fs';
import { access, lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { replaceFiles, type NewFile } from '../../sys/files/atomic-file.js';
import { assertUnreplaceable } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';
import { assertRoom, roomHint } from './disk-room.js';
import { readBoundedFile } from '../../sys/files/bounded-file.js';

/** Nothing larger is a certificate file of ours to replace. */
const MAX_REPLACED_BYTES = 1024 * 1024;
/** A folder like that stays so until somebody changes it, or the configuration. */
const CLOSED: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EROFS']);

export interface Installation {
  /** The files to be replaced. */
  readonly outputs: readonly string[];
  readonly key: string;
  /** True when the key is to be created too. */
  readonly isNewKey: boolean;
}

/**
 * Checks that files can be put in place later: before a certificate is ordered, not after; and that
 * no private key is lost by it, however its file is named.
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
  // A key is created, never put in the place of anything; a dangling link is something too.
  if (isNewKey && (await entryOf(key)) !== undefined) {
    throw new AppError('CLIENT_INSTALL', `${key}: exists, and is no key`);
  }
}

async function assertWritableFolder(path: string): Promise<void> {
  const directory = dirname(path);
  try {
    // Reading too: a folder is opened to be synchronised.
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
  // Its owner could lead us to another folder between one file and the next.
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

/** What is at a path, the link itself for a symbolic link; undefined when nothing is. */
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
 * Puts files in place. All are written out before the first one is, so a full disk changes nothing.
 * A file that replaces another gets its owner, group and mode: the service that reads it may be
 * another user.
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

/** Root gives a file to anybody, others to a group of theirs. */
function mayGiveTo({ uid, gid }: Stats): boolean {
  const userId = effectiveUserId();
  return userId === 0 || (uid === userId && process.getgroups?.().includes(gid) === true);
}
