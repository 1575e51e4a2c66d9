// The profiles of PKCS#11 modules are whole, and docs/module-matrix.md says what they say.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { libraryPaths, moduleProfiles } from '../../../../src/keys/pkcs11/module-profile.js';
import { KEY_TYPES } from '../../../../src/token/messages.js';
import { formatMatrixFile, MATRIX_FILE, readMatrix } from '../../../module-matrix/matrix-file.js';

describe('profiles of modules', () => {
  it('name what is asked for', () => {
    const names = moduleProfiles().map(({ name }) => name);
    for (const name of [
      ...['softhsm2', 'opensc', 'ykcs11', 'tpm2-pkcs11', 'opencryptoki', 'nss-softokn'],
      ...['p11-kit-proxy', 'p11-kit-client', 'yubihsm2', 'aws-cloudhsm', 'nitrokey-hsm'],
      ...['utimaco', 'thales-luna'],
    ]) {
      assert.ok(names.includes(name), name);
    }
  });

  it('have no name twice, aliases counted', () => {
    const names = moduleProfiles().flatMap(({ name, aliases }) => [name, ...aliases]);
    assert.deepEqual([...new Set(names)], names);
  });

  for (const profile of moduleProfiles()) {
    it(`${profile.name}: has paths for every architecture, and documentation`, () => {
      for (const machine of ['x64', 'arm64', 'arm', 'ppc64', 's390x', 'riscv64']) {
        const paths = libraryPaths(profile, machine);
        assert.ok(paths.length > 0, machine);
        assert.ok(
          paths.every((path) => /^\/[\w./+-]+$/.test(path)),
          paths.join(' '),
        );
      }
      assert.ok(profile.sources.every((source) => source.startsWith('https://')));
      assert.ok(profile.sources.length > 0);
    });
  }

  it('put the triplet of the machine into paths, and leave out what it has none for', () => {
    const opensc = moduleProfiles().find(({ name }) => name === 'opensc');
    assert.ok(opensc !== undefined);
    assert.ok(
      libraryPaths(opensc, 'arm64').includes('/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so'),
    );
    assert.ok(libraryPaths(opensc, 'x64').includes('/usr/lib64/pkcs11/opensc-pkcs11.so'));
    assert.ok(libraryPaths(opensc, 'arm').includes('/usr/lib/pkcs11/opensc-pkcs11.so'));
    const unknown = libraryPaths(opensc, 'vax');
    assert.ok(unknown.length > 0 && unknown.every((path) => !path.includes('{')));
  });

  it('let one process use a card or a TPM', () => {
    for (const { name, helpers } of moduleProfiles()) {
      if (['opensc', 'ykcs11', 'tpm2-pkcs11', 'nitrokey-hsm', 'yubihsm2'].includes(name)) {
        assert.equal(helpers, 1, name);
      }
    }
  });
});

describe('docs/module-matrix.md', () => {
  it('is what the profiles and the table of what ran make it: npm run matrix writes it', () => {
    const text = readFileSync(MATRIX_FILE, 'utf8');
    assert.equal(formatMatrixFile(text, readMatrix()), text);
  });

  it('has a whole row for every module that is marked as tested, and for no other', () => {
    const matrix = readMatrix();
    const tested = moduleProfiles().filter((profile) => profile.tested);
    assert.deepEqual(
      [...matrix.keys()].sort(),
      tested.map(({ name }) => name),
    );
    for (const [name, row] of matrix) {
      assert.ok(
        KEY_TYPES.every((type) => row[type] !== undefined && row[type] !== ''),
        name,
      );
    }
  });
});
