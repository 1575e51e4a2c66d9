// What a run of tests left behind: processes that carry the run's mark, files in its temporary
// folder. Used by the runner only. It ends what it finds, each by its own id.

import { readFileSync, readdirSync } from 'node:fs';
import { TRANSCRIPT_VARIABLE } from './transcript.js';

/** Ends every process that was started under this run, and tells which they were. */
export function endLeftProcesses(transcriptFolder: string): string[] {
  const mark = `${TRANSCRIPT_VARIABLE}=${transcriptFolder}`;
  const left: string[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) {
      continue;
    }
    try {
      if (readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(mark)) {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        // A process that has just ended has no command line any more.
        if (command !== '') {
          left.push(`process ${name}: ${command}`);
          process.kill(pid, 'SIGKILL');
        }
      }
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
  return left;
}

/** The names still in the run's temporary folder. */
export function leftFiles(folder: string): string[] {
  return readdirSync(folder).map((name) => `file ${folder}/${name}`);
}
