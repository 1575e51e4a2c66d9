// One run at a time for a certificate: a second one would order it again, and remove the http-01
// answers of the first. Runs in claviger. The kernel holds the lock and releases it when the
// process ends. The file stays: another run may have opened it just before it would be removed.

import { closeSync, constants, existsSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { realpath } from 'node:fs/promises';
import * as v from 'valibot';
import type { CertificateConfig } from '../../config/client/certificate.js';
import { AppError, isAppError, messageOf } from '../../lib/errors.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import { readAtMost } from '../../sys/files/bounded-file.js';
import { lockFile } from '../../sys/files/file-lock.js';
import type { ClientContext } from '../acme-access.js';

/** The process that has the lock, for messages alone. */
const holderSchema = v.object({ pid: v.pipe(v.number(), v.integer()), since: v.string() });
const KIND = { name: 'lock', schema: holderSchema };
const FILE_MODE = 0o600;
const MAX_NOTE_BYTES = 1024;

/**
 * Runs `use` while no other run is at work on the certificate. Without a state directory there is
 * no lock.
 * @throws AppError SYS_LOCKED that names the other process
 */
export async function withCertificateLock<T>(
  context: Pick<ClientContext, 'state' | 'report'>,
  certificate: Pick<CertificateConfig, 'names' | 'cert' | 'fullchain'>,
  use: () => Promise<T>,
): Promise<T> {
  const path = context.state.preparedPathOf(KIND, [await placeOf(certificate)]);
  const fd = path === undefined ? undefined : takeLock(path, certificate.names[0] ?? '', context);
  try {
    return await use();
  } finally {
    if (fd !== undefined) {
      closeSync(fd);
    }
  }
}

/** The real path of the file that is written, however it is configured. */
async function placeOf({
  cert,
  fullchain,
}: Pick<CertificateConfig, 'cert' | 'fullchain'>): Promise<string> {
  const path = fullchain ?? cert ?? '';
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  return join(folder, basename(path));
}

/**
 * @returns the descriptor that holds it; undefined when the file cannot be used, which is reported
 */
function takeLock(
  path: string,
  name: string,
  { report }: Pick<ClientContext, 'report'>,
): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, FILE_MODE);
  } catch (error) {
    report(`${name}: no lock, other runs are not kept off: ${messageOf(error)}`);
    return undefined;
  }
  try {
    lockFile(fd, { waitSeconds: 0, what: name });
    const holder = { pid: process.pid, since: new Date().toISOString() };
    ftruncateSync(fd);
    writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
    return fd;
  } catch (error) {
    const holder = isAppError(error, 'SYS_LOCKED') ? holderOf(fd) : undefined;
    closeSync(fd);
    throw isAppError(error, 'SYS_LOCKED') ? locked(name, holder) : error;
  }
}

function locked(name: string, holder: v.InferOutput<typeof holderSchema> | undefined): AppError {
  const who =
    holder === undefined
      ? 'another run'
      : `process ${holder.pid}, since ${holder.since.slice(0, 19).replace('T', ' ')} UTC,`;
  return new AppError('SYS_LOCKED', `${name}: ${who} is at work on this certificate`, {
    hint: holder === undefined ? undefined : `what it is: ps -fp ${holder.pid}`,
  });
}

/** What the file says, unless that process has ended: the holder may not have written it yet. */
function holderOf(fd: number): v.InferOutput<typeof holderSchema> | undefined {
  try {
    const note = readAtMost(fd, MAX_NOTE_BYTES);
    if (note === undefined) {
      return undefined;
    }
    const holder = v.parse(holderSchema, parseStrictJson(note));
    return existsSync(`/proc/${holder.pid}`) ? holder : undefined;
  } catch {
    return undefined;
  }
}
