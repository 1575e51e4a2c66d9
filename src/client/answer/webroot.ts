// http-01 answers as files of a web server that runs already. Runs in claviger. The document root
// may belong to a user who is not trusted and changes it at the same time: the two folders below it
// are held by their descriptors from the first check to the removal, no symbolic link is followed,
// no existing file is opened for writing, and only files that were written here are removed.

import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { isChallengeToken } from '../../acme/challenge.js';
import { AppError, isAppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { openForeignDirectory, type HeldDirectory } from '../../sys/files/held-directory.js';
import { effectiveUserId } from '../../sys/user.js';
import type { AnswerPublisher } from './answer-publisher.js';

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
const ROOT_HINT = 'is it the document root of the web server?';
const FOLDER_HINT = 'must be a folder, and no symbolic link';
const FOREIGN_HINT = 'it is not ours, and stays; who put it there should remove it';

/** The files written here, by token: a different file under the same name is not removed. */
type Written = Map<string, Pick<Stats, 'dev' | 'ino'>>;

/**
 * Opens the folder of the answers below a document root, making what is missing.
 * @throws AppError SYS_PATH when there is no such folder, CLIENT_CHALLENGE when it cannot be used
 */
export async function openWebroot(webroot: string): Promise<AnswerPublisher> {
  const root = await openRoot(webroot);
  const folder = await openAnswerFolder(root).finally(() => root.close());
  const written: Written = new Map();
  let isClosed = false;
  return {
    publish: async (token, keyAuthorization) => {
      if (!isChallengeToken(token)) {
        throw new AppError('CLIENT_CHALLENGE', 'challenge token: cannot be a file name');
      }
      await publishFile(folder, token, keyAuthorization, written);
    },
    takeBack: async (token, keyAuthorization) => {
      if (isChallengeToken(token) && (await isLeftover(folder, token, keyAuthorization))) {
        await folder.remove(token);
      }
    },
    close: async () => {
      if (!isClosed) {
        isClosed = true;
        await removeWritten(folder, written);
        await folder.close();
      }
    },
  };
}

async function openRoot(webroot: string): Promise<HeldDirectory> {
  try {
    return await openForeignDirectory(webroot, effectiveUserId());
  } catch (error) {
    if (isAppError(error)) {
      throw new AppError('CLIENT_CHALLENGE', `webroot: ${error.message}`, { hint: error.hint });
    }
    const code = systemCodeOf(error);
    const problem = code === 'ENOTDIR' ? 'is not a folder' : withoutPath(messageOf(error));
    const kind = code === 'ENOTDIR' || code === 'ENOENT' ? 'SYS_PATH' : 'CLIENT_CHALLENGE';
    throw new AppError(kind, `webroot: ${webroot}: ${problem}`, {
      hint: ROOT_HINT,
      cause: error,
    });
  }
}

/** A system error's message without its path, which is that of a descriptor. */
function withoutPath(message: string): string {
  return message.replace(/, \w+ '.*$/, '');
}

async function openAnswerFolder(root: HeldDirectory): Promise<HeldDirectory> {
  await using parent = await makeFolder(root, '.well-known');
  return await makeFolder(parent, 'acme-challenge');
}

async function makeFolder(parent: HeldDirectory, name: string): Promise<HeldDirectory> {
  try {
    return await parent.make(name, DIRECTORY_MODE);
  } catch (error) {
    const isOther = systemCodeOf(error) === 'ENOTDIR' || systemCodeOf(error) === 'ELOOP';
    const problem = isOther ? 'is not a folder' : withoutPath(messageOf(error));
    throw new AppError('CLIENT_CHALLENGE', `webroot: ${parent.path}/${name}: ${problem}`, {
      hint: isOther ? FOLDER_HINT : undefined,
      cause: error,
    });
  }
}

async function publishFile(
  folder: HeldDirectory,
  token: string,
  content: string,
  written: Written,
): Promise<void> {
  try {
    await using file = await createAnswer(folder, token, content);
    const { dev, ino } = await file.stat();
    written.set(token, { dev, ino });
    await file.writeFile(content);
    await file.chmod(FILE_MODE); // whatever the umask: the web server is another user
  } catch (error) {
    if (isAppError(error)) {
      throw error;
    }
    const problem = withoutPath(messageOf(error));
    throw new AppError('CLIENT_CHALLENGE', `webroot: ${folder.path}/${token}: ${problem}`, {
      cause: error,
    });
  }
}

/**
 * Creates the file. An authority returns an unfinished order again, with the same token: the file
 * that a killed run has left is replaced, and no other file is.
 */
async function createAnswer(
  folder: HeldDirectory,
  token: string,
  content: string,
): Promise<FileHandle> {
  try {
    return await folder.create(token, FILE_MODE);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') {
      throw error;
    }
  }
  if (!(await isLeftover(folder, token, content))) {
    throw new AppError('CLIENT_CHALLENGE', `webroot: ${folder.path}/${token}: exists already`, {
      hint: FOREIGN_HINT,
    });
  }
  await folder.remove(token);
  return await folder.create(token, FILE_MODE);
}

/**
 * A regular file of ours with our content, or its beginning: a run may be killed while it writes.
 */
async function isLeftover(folder: HeldDirectory, token: string, content: string): Promise<boolean> {
  const wanted = Buffer.from(content);
  try {
    const found = await folder.look(token);
    if (!found.isFile() || found.uid !== effectiveUserId() || found.size > wanted.length) {
      return false;
    }
    await using file = await folder.read(token);
    const buffer = Buffer.alloc(wanted.length + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const opened = await file.stat();
    return (
      isSameFile(found, opened) &&
      buffer.subarray(0, bytesRead).equals(wanted.subarray(0, bytesRead))
    );
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'EACCES', 'ENXIO'].includes(systemCodeOf(error) ?? '')) {
      return false;
    }
    throw error;
  }
}

async function removeWritten(folder: HeldDirectory, written: Written): Promise<void> {
  for (const [token, file] of written) {
    written.delete(token);
    try {
      if (isSameFile(await folder.look(token), file)) {
        await folder.remove(token);
      }
    } catch {
      // The file may have been removed by another program.
    }
  }
}

function isSameFile(a: Pick<Stats, 'dev' | 'ino'>, b: Pick<Stats, 'dev' | 'ino'>): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}
