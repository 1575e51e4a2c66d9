// http-01 answers as files of a web server that runs already. Runs in the client's master.
// The folder may belong to somebody less trusted than we are: nothing existing is opened, symbolic
// links below it are not followed, and only what was written here is removed.

import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CHALLENGE_PATH, isChallengeToken } from '../acme/challenge.js';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import type { ChallengeAnswers } from './challenge-answers.js';

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
const ROOT_HINT = 'is it the document root of the web server?';
const FOLDER_HINT = 'must be a folder, and no symbolic link';

/** @throws AppError CLIENT_CHALLENGE when the folder is not there or cannot be used */
export async function openWebroot(webroot: string): Promise<ChallengeAnswers> {
  // The root itself is the user's own word, and may be a link.
  assertDirectory(webroot, await look(webroot, stat, ROOT_HINT), ROOT_HINT);
  let directory = webroot;
  for (const name of CHALLENGE_PATH.split('/').filter((part) => part !== '')) {
    directory = join(directory, name);
    await ensureDirectory(directory);
  }
  const written = new Set<string>();
  return {
    publish: async (token, keyAuthorization) => {
      const path = pathFor(directory, token);
      await writeAnswer(path, keyAuthorization, written);
    },
    close: async () => {
      for (const path of written) {
        written.delete(path);
        await unlink(path).catch(() => undefined); // somebody else may have cleaned up
      }
    },
  };
}

function pathFor(directory: string, token: string): string {
  if (!isChallengeToken(token)) {
    throw new AppError('CLIENT_CHALLENGE', 'challenge token: cannot be a file name');
  }
  return join(directory, token);
}

async function writeAnswer(path: string, content: string, written: Set<string>): Promise<void> {
  try {
    const file = await open(path, 'wx', FILE_MODE);
    written.add(path);
    try {
      await file.writeFile(content);
      await file.chmod(FILE_MODE); // whatever the umask: the web server is another user
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new AppError('CLIENT_CHALLENGE', messageOf(error), { cause: error });
  }
}

async function ensureDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE });
    // Whatever the umask: the web server is another user. Nobody's link in its place is followed.
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    await using folder = await open(path, flags);
    await folder.chmod(DIRECTORY_MODE);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') {
      throw new AppError('CLIENT_CHALLENGE', messageOf(error), { cause: error });
    }
  }
  assertDirectory(path, await look(path, lstat, FOLDER_HINT), FOLDER_HINT);
}

async function look(
  path: string,
  read: (path: string) => Promise<Stats>,
  hint: string,
): Promise<Stats> {
  try {
    return await read(path);
  } catch (error) {
    throw new AppError('CLIENT_CHALLENGE', `webroot: ${messageOf(error)}`, { hint, cause: error });
  }
}

function assertDirectory(path: string, stats: Stats, hint: string): void {
  if (!stats.isDirectory()) {
    throw new AppError('CLIENT_CHALLENGE', `webroot: ${path} is not a folder`, { hint });
  }
}
