// The inputs of `clavigerd policy test`: requests from a file or standard input, and the account's
// public JWK. Both are read with limits.

import { closeSync, constants, createReadStream, openSync, readSync } from 'node:fs';
import { parsePublicJwk, type PublicJwk } from '../../jose/public-jwk.js';
import { AppError, messageOf } from '../../lib/errors.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import { LineCutter, type CutLine } from '../terminal/line-cutter.js';
import { MAX_REQUEST_BYTES } from './requests.js';

/** A JWK of RSA-4096 has 700. */
const MAX_JWK_BYTES = 16 * 1024;

/** The lines of the file, or of standard input, as they come. @throws AppError SYS_FILE */
export async function* readLines(path: string | undefined): AsyncGenerator<readonly CutLine[]> {
  const cutter = new LineCutter(MAX_REQUEST_BYTES);
  const source = path === undefined ? process.stdin : createReadStream(path);
  try {
    for await (const chunk of source) {
      if (!(chunk instanceof Uint8Array)) {
        throw new Error('not bytes');
      }
      yield cutter.push(Buffer.from(chunk));
    }
  } catch (error) {
    throw new AppError('SYS_FILE', `requests: ${messageOf(error)}`, { cause: error });
  }
  yield cutter.end();
}

/** @throws AppError SYS_FILE, JOSE_JWK */
export function readJwkFile(path: string): PublicJwk {
  const bytes = readBounded(path);
  try {
    return parsePublicJwk(parseStrictJson(bytes));
  } catch (error) {
    throw new AppError('JOSE_JWK', `${path}: not a public JWK: ${messageOf(error)}`, {
      hint: "`clavigerd key show` prints it in the line that begins with 'jwk:'",
      cause: error,
    });
  }
}

function readBounded(path: string): Buffer {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const bytes = Buffer.alloc(MAX_JWK_BYTES);
      return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, null));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new AppError('SYS_FILE', `jwk: ${messageOf(error)}`, { cause: error });
  }
}
