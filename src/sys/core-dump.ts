// Keeps the memory of this process, and of the processes it starts, out of core files. Every
// process that holds secrets calls it first. The system may still write a core file: one without
// memory.

import { writeFileSync } from 'node:fs';

const FILTER = '/proc/self/coredump_filter';
/** No kind of mapping (core(5)); children inherit it, through execve(2) too. */
const NOTHING = '0';

/**
 * False where the kernel does not take it: then only a limit of 0 (`LimitCORE=`, `ulimit -c`)
 * helps.
 */
export function keepMemoryOutOfCoreFiles(): boolean {
  try {
    writeFileSync(FILTER, NOTHING);
    return true;
  } catch {
    return false;
  }
}
