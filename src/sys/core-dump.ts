// Keeps the memory of this process, and of the processes it starts, out of core files. Any process
// that holds secrets, first of all it does. A core file is still written where the system wants
// one: without memory.

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
