// Which library a URI means, and what is said when there is none.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  assertTypeWorks,
  resolveModule,
  type Pkcs11Module,
} from '../../../../src/keys/pkcs11/module-path.js';
import { moduleProfiles } from '../../../../src/keys/pkcs11/module-profile.js';
import { appErrorOf } from '../../../support/app-error.js';
import { SOFTHSM_MODULE } from '../../../support/modules/softhsm.js';
import { makeTempDir } from '../../../support/temp-dir.js';

function resolve(modulePath?: string, moduleName?: string): string {
  return resolveModule({ modulePath, moduleName }, {}).path;
}

describe('module', () => {
  it('is found by path and by name', () => {
    assert.equal(resolve(SOFTHSM_MODULE), SOFTHSM_MODULE);
    assert.equal(resolve(undefined, 'softhsm2'), SOFTHSM_MODULE);
  });

  it('is found by another name of it', () => {
    assert.equal(resolve(undefined, 'libsofthsm2'), SOFTHSM_MODULE);
  });

  it('by path gets what the profile knows of a library of that name', async (t) => {
    const folder = await makeTempDir(t);
    const library = (name: string): Pkcs11Module => {
      const modulePath = `${folder}/${name}`;
      writeFileSync(modulePath, '');
      return resolveModule({ modulePath, moduleName: undefined }, {});
    };
    assert.equal(library('libykcs11.so.2.9.9').name, 'ykcs11');
    assert.ok(library('libykcs11.so').quirks.generateOmits?.includes('sign'));
    assert.equal(library('libcloudhsm_pkcs11.so').quirks.readWriteSessions, true);
    assert.equal(library('libsofthsm2.so').helpers, 2);
    assert.equal(library('libsofthsm2.so.1.2').name, 'softhsm2');
    assert.equal(library('libsofthsm2').name, undefined);
    assert.equal(library('opensc-pkcs11.so').name, 'opensc');
    assert.deepEqual(library('other.so'), {
      path: `${folder}/other.so`,
      name: undefined,
      helpers: 1,
      quirks: {},
      broken: {},
    });
  });

  it('is refused when others could put their own code there', async (t) => {
    const folder = await makeTempDir(t);
    const path = `${folder}/other.so`;
    writeFileSync(path, '');
    for (const [spoiled, mode] of [
      [path, 0o664],
      [folder, 0o775],
    ] as const) {
      chmodSync(spoiled, mode);
      const error = await appErrorOf(() => resolve(path), 'SYS_UNSAFE_PATH');
      assert.match(error.message, /^module: insecure permissions/);
      chmodSync(spoiled, 0o755);
    }
    chownSync(folder, 12345, 12345);
    await appErrorOf(() => resolve(path), 'SYS_UNSAFE_PATH');
  });

  it('gets its parameters, with the variables that they name', async () => {
    const parameters = (env: NodeJS.ProcessEnv): string | undefined =>
      resolveModule({ moduleName: 'nss-softokn', modulePath: undefined }, env).quirks.parameters;
    assert.equal(parameters({ SSL_DIR: '/srv/nss' }), "configdir='sql:/srv/nss' flags=noRootInit");
    assert.match(parameters({}) ?? '', /'sql:\/etc\/pki\/nssdb'/);
    assert.ok(parameters({ SSL_DIR: 'a'.repeat(1024) })?.includes('a'.repeat(1024)));
    for (const bad of ["/a' flags=x", '/a"', '/a\\', '/a\n', 'a'.repeat(1025)]) {
      const error = await appErrorOf(() => parameters({ SSL_DIR: bad }), 'TOKEN_MODULE');
      assert.match(error.message, /SSL_DIR/);
    }
  });

  it('says which types of key it cannot be used for', async () => {
    const tpm = resolveModule({ moduleName: 'tpm2-pkcs11', modulePath: undefined }, {});
    const error = await appErrorOf(() => {
      assertTypeWorks(tpm, 'p521');
    }, 'TOKEN_KEY_UNSUPPORTED');
    assert.match(error.message, /p521 does not work with tpm2-pkcs11/);
    assertTypeWorks(tpm, 'p256');
  });

  it('must be named', async () => {
    const error = await appErrorOf(() => resolve(), 'KEY_URI');
    assert.match(error.hint ?? '', /softhsm2/);
  });

  it('must exist, and be a file', async (t) => {
    const folder = await makeTempDir(t);
    const missing = await appErrorOf(() => resolve(`${folder}/none.so`), 'TOKEN_MODULE');
    assert.match(missing.message, /none\.so: there is no such file/);
    const error = await appErrorOf(() => resolve(folder), 'TOKEN_MODULE');
    assert.match(error.message, /not a regular file/);
  });

  it('has a profile, or its name is refused', async () => {
    const error = await appErrorOf(() => resolve(undefined, 'softhsm3'), 'KEY_URI');
    assert.match(error.message, /"softhsm3" is not known/);
    assert.match(error.hint ?? '', /softhsm2/);
  });

  it('that is not installed says which package has it', async () => {
    for (const { name } of moduleProfiles()) {
      try {
        assert.match(resolve(undefined, name), /^\/usr\//);
      } catch {
        const error = await appErrorOf(() => resolve(undefined, name), 'TOKEN_MODULE');
        assert.match(error.hint ?? '', /comes in packages \(.+\); elsewhere give module-path/);
      }
    }
  });
});
