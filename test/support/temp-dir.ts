// Folders that live as long as one test. Used by test processes only.
// Paths stay short, for a socket path may have 107 bytes; each folder is the caller's alone (0700).

import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordLogs } from './transcript.js';

/** What has an `after` hook: a test's context, or an object `{ after }` made of node:test's own function. */
export interface Scope {
  after(cleanUp: () => Promise<void> | void): void;
}

/** Makes an empty folder and removes it when the scope ends; its `*.log` files go to the transcript first. */
export async function makeTempDir(scope: Scope, prefix = 'cv-'): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), prefix)));
  scope.after(async () => {
    await recordLogs(path);
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
  });
  return path;
}
