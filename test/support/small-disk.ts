// A small tmpfs in a mount namespace of its own: to fill, and to make room on again. Used by test
// processes only, as root. The disk is gone with the process that holds the namespace.

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCodeOf } from '../../src/lib/errors.js';
import { startProcess } from './process.js';
import type { Scope } from './scope.js';

const MAX_BLOCK_BYTES = 64 * 1024;

export interface SmallDisk {
  /** A path on the disk, as this process can use it. */
  readonly onDisk: (name: string) => string;
  /** The command that runs a command where the disk is mounted. */
  readonly within: (command: readonly string[]) => readonly string[];
  /** Takes all the room there is, to the byte. */
  readonly fill: () => void;
  readonly makeRoom: () => void;
}

/**
 * @param path of the folder that is to be the disk; made. @param size as mount(8) has it: `256k`
 */
export async function mountSmallDisk(scope: Scope, path: string, size: string): Promise<SmallDisk> {
  assert.equal(process.geteuid?.(), 0, 'only root may mount the small disk this test fills');
  mkdirSync(path, { mode: 0o700 });
  const script =
    'mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1" && echo mounted && exec sleep 1000';
  const { pid } = await startProcess(scope, {
    command: 'unshare',
    args: ['--mount', 'sh', '-c', script, 'sh', path, size],
    waitFor: /mounted/,
  });
  // The root of the process shows its mounts.
  const onDisk = (name: string): string => join(`/proc/${pid}/root`, path, name);
  return {
    onDisk,
    within: (command) => ['nsenter', `--mount=/proc/${pid}/ns/mnt`, '--', ...command],
    fill: () => {
      fillDisk(onDisk('filler'));
    },
    makeRoom: () => {
      rmSync(onDisk('filler'));
    },
  };
}

/** Writes a file until there is no room for another byte. */
export function fillDisk(filler: string): void {
  for (let size = MAX_BLOCK_BYTES; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) {
        writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
      }
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOSPC') {
        throw error;
      }
    }
  }
}
