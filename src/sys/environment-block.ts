// Removes a secret from what /proc/PID/environ shows of this process. Runs in clavigerd and its
// commands. Deleting a variable removes it from Node's list; the bytes stay where execve(2) put
// them, and the kernel shows those.

import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';

/** Numbers of the fields in /proc/PID/stat, proc(5). */
const ENV_START_FIELD = 50;
const ENV_END_FIELD = 51;
const MAX_ENVIRONMENT_BYTES = 4 * 1024 * 1024;

/**
 * Overwrites `NAME=value` in the block of the environment this process was started with.
 * @returns false when it is there and could not be erased; true when it is gone, or never was
 *   there.
 */
export function eraseEnvironmentVariable(name: string): boolean {
  try {
    const [start, end] = blockOfSelf();
    // Writing goes through the kernel: a process may do so to its own memory.
    const fd = openSync('/proc/self/mem', 'r+');
    try {
      erase(fd, name, start, end - start);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}

function blockOfSelf(): readonly [start: number, end: number] {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // The second field is the name of the program in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [start, end] = [ENV_START_FIELD, ENV_END_FIELD].map((field) => Number(fields[field - 3]));
  if (start === undefined || end === undefined || !(start > 0) || end - start < 0) {
    throw new Error('no environment block');
  }
  if (end - start > MAX_ENVIRONMENT_BYTES) {
    throw new Error('the environment block is too large');
  }
  return [start, end];
}

function erase(fd: number, name: string, start: number, length: number): void {
  const block = Buffer.alloc(length);
  readSync(fd, block, 0, length, start);
  const prefix = Buffer.from(`${name}=`);
  for (let at = 0; at < length;) {
    const nul = block.indexOf(0, at);
    const end = nul === -1 ? length : nul;
    if (block.subarray(at, at + prefix.length).equals(prefix)) {
      writeSync(fd, Buffer.alloc(end - at), 0, end - at, start + at);
    }
    at = end + 1;
  }
  block.fill(0);
}
