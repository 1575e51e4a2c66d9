// Other versions of Node, from npm's own package `node`, kept in a folder of the checkout that git
// ignores. Used by test processes only.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './process.js';
import { ROOT } from './programs.js';

const FOLDER = join(ROOT, '.cache', 'node');
const INSTALL_TIMEOUT_MS = 170_000;

/** The latest Node of a major version, installed if it is not there yet. */
export async function installNode(major: string): Promise<string> {
  const folder = join(FOLDER, major);
  const node = join(folder, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(node)) {
    return node;
  }
  mkdirSync(FOLDER, { recursive: true });
  // In a folder of its own until it is whole: a run that was cut short leaves nothing that looks
  // installed.
  const fresh = mkdtempSync(join(FOLDER, 'new-'));
  try {
    writeFileSync(join(fresh, 'package.json'), '{"private":true}');
    const install = ['install', '--no-audit', '--no-fund', '--no-save', `node@${major}`];
    await mustRun('npm', install, { cwd: fresh, timeoutMs: INSTALL_TIMEOUT_MS });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return node;
}
