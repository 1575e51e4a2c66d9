// A database of NSS, whose softokn is a PKCS#11 module, made by NSS's own certutil. Used by test
// processes only.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { plainly, writePin, type ModuleBed } from './module-bed.js';
import { mustRun } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

/** Makes an empty database with a PIN. */
export async function createNss(scope: Scope): Promise<ModuleBed & { readonly pin: string }> {
  const folder = await makeTempDir(scope, 'cvnss-');
  const database = join(folder, 'db');
  mkdirSync(database);
  const pin = randomBytes(6).toString('hex');
  const pinFile = writePin(folder, pin);
  const env = {
    SSL_DIR: database,
    // A signature of the default 10,000 rounds takes 29 ms.
    NSS_MAX_MP_PBE_ITERATION_COUNT: '1',
  };
  await mustRun('certutil', ['-N', '-d', `sql:${database}`, '-f', pinFile], { env });
  return {
    moduleName: 'nss-softokn',
    token: 'token=NSS%20Certificate%20DB',
    env,
    pin,
    pinFile,
    inside: plainly,
  };
}
