// How many descriptors this process may have open, and how many it has. Runs in clavigerd, at
// start.

import { readdirSync, readFileSync } from 'node:fs';

/**
 * RLIMIT_NOFILE, the soft limit, which Node raises to the hard limit at its start; undefined
 * without /proc.
 */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] =
      /^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined; // no /proc
  }
}

/** Descriptors that are open now. */
export function openDescriptorCount(): number {
  return readdirSync('/proc/self/fd').length - 1; // one is that of the folder
}
