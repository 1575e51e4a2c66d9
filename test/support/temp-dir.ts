// Folders that live as long as one test. Used by test processes only.
// Paths stay short, for a socket path may have 107 bytes; each folder is the caller's alone (0700).

import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Scope, atEnd } from './scope.js';
import { recordLogs } from './transcript.js';

/**
 * Makes an empty folder and removes it when the scope ends; its `*.log` files go to the transcript
 * first.
 */
export async function makeTempDir(scope: Scope, prefix = 'cv-'): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), prefix)));
  atEnd(scope, async () => {
    await recordLogs(path);
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  });
  return path;
}
