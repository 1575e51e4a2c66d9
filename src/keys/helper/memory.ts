// How much memory a helper process has. Runs in the daemon. Modules leak; a helper that grew is
// replaced.

import { readFileSync } from 'node:fs';

/** Bytes of a kB, as the kernel has it. */
const KIB = 1024;

/** Resident bytes of a process, by proc(5); undefined when it is gone. */
export function readResidentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) * KIB;
  } catch {
    return undefined;
  }
}
