// The daemon's note of its last audit record and of its process, read by the `clavigerd audit` commands.
// The daemon may be rewriting it at the same time; nothing but numbers and a hash is taken from it.

import { closeSync, constants, openSync, readSync } from 'node:fs';
import * as v from 'valibot';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';

export type HeadNote = v.InferOutput<typeof noteSchema>;

const noteSchema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

const MAX_NOTE_BYTES = 4096;
const MAX_TRIES = 3;

/** @returns undefined when there is none. @throws AppError SYS_FILE when it cannot be read or understood */
export function readHeadNote(path: string): HeadNote | undefined {
  for (let tries = 1; ; tries += 1) {
    try {
      return v.parse(noteSchema, JSON.parse(readBounded(path)));
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') {
        return undefined;
      }
      if (tries === MAX_TRIES) {
        throw new AppError('SYS_FILE', `note of the audit log: ${path}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
  }
}

function readBounded(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(MAX_NOTE_BYTES);
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}
