// The daemon where a small tmpfs is mounted for it alone: to fill, and to make room on again. Used
// by test processes only, as root. The disk is gone with the daemon.

import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { makeSectionBed, type SectionBed } from './daemon-sections.js';
import { startProcess, type RunningProcess } from '../process.js';
import { CLAVIGERD } from '../programs.js';
import type { Scope } from '../scope.js';
import { fillDisk } from '../small-disk.js';

export interface SmallDiskDaemon {
  readonly bed: SectionBed;
  readonly process: RunningProcess;
  /** A path on the disk, as this process can use it. */
  readonly onDisk: (name: string) => string;
  /** Takes all the room there is, to the byte. */
  readonly fill: () => void;
  /** Leaves so many bytes free, or a little less. */
  readonly fillTo: (free: number) => void;
  readonly makeRoom: () => void;
}

/** @param toml in which `@/disk` is the disk, and the socket is `@/S` outside of it. */
export async function startOnSmallDisk(scope: Scope, toml: string): Promise<SmallDiskDaemon> {
  assert.equal(process.geteuid?.(), 0, 'only root may mount the small disk this test fills');
  const bed = await makeSectionBed(scope, toml);
  const disk = bed.path('disk');
  mkdirSync(disk, { mode: 0o700 });
  const script = 'mount -t tmpfs -o size=256k,mode=0700 tmpfs "$1" && shift && exec "$@"';
  const program = [process.execPath, CLAVIGERD, `--config=${bed.config}`];
  const daemon = await startProcess(scope, {
    command: 'unshare',
    args: ['--mount', 'sh', '-c', script, 'sh', disk, ...program],
    waitFor: { socket: bed.path('S') },
  });
  // Each step replaced the one before: it is one process, and its root shows its mounts.
  const onDisk = (name: string): string => join(`/proc/${daemon.pid}/root`, disk, name);
  return {
    bed,
    process: daemon,
    onDisk,
    fill: () => {
      fillDisk(onDisk('filler'));
    },
    fillTo: (free) => {
      const { bavail, bsize } = statfsSync(onDisk('.'));
      writeFileSync(onDisk('filler'), Buffer.alloc(Math.max(0, bavail * bsize - free)));
    },
    makeRoom: () => {
      rmSync(onDisk('filler'));
    },
  };
}
