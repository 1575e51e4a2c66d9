// How much memory processes have, as the kernel tells it. Used by test processes only.

import { readFileSync } from 'node:fs';
import { childrenOf } from '../process.js';

/** Of a process and its children, in MiB. */
export function residentMiB(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + residentMiB(child), read(pid, 'VmRSS'));
}

/** The most that one process has had, in MiB. */
export function peakMiB(pid: number): number {
  return read(pid, 'VmHWM');
}

function read(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN) / 1024;
}
