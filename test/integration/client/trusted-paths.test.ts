// The client's keys, authorities and output folders: nobody else may be able to put others in their
// place. Folders are given away here, as root.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readBundle } from '../../../src/client/acme-access.js';
import { assertInstallable } from '../../../src/client/install/install.js';
import { readServerKey } from '../../../src/client/install/server-key.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { makeAuthority, newKey, pemOf } from '../../support/client/test-ca.js';

const STRANGER = 12345;

const USES = [
  ['the key', (folder: string) => readServerKey(join(folder, 'key.pem'))],
  ['the authorities', (folder: string) => readBundle(join(folder, 'ca.pem'))],
  [
    'the folder of the certificate',
    (folder: string) =>
      assertInstallable({
        outputs: [join(folder, 'new.pem')],
        key: '/run/no-key',
        isNewKey: false,
      }),
  ],
  [
    'the folder of a new key',
    (folder: string) =>
      assertInstallable({ outputs: [], key: join(folder, 'new.key'), isNewKey: true }),
  ],
] as const;

describe('a path that the client trusts', () => {
  for (const [name, use] of USES) {
    it(`is refused when another user owns or writes a folder of it: ${name}`, async (t) => {
      const top = join(await makeTempDir(t), 'top');
      const folder = join(top, 'folder');
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      writeFileSync(join(folder, 'key.pem'), pemOf(newKey()), { mode: 0o600 });
      writeFileSync(join(folder, 'ca.pem'), (await makeAuthority('A')).pem);
      await use(folder);
      for (const path of [top, folder]) {
        chownSync(path, STRANGER, STRANGER);
        const error = await appErrorOf(() => use(folder), 'SYS_UNSAFE_PATH');
        assert.match(error.message, /12345/);
        chownSync(path, 0, 0);
        chmodSync(path, 0o775);
        await appErrorOf(() => use(folder), 'SYS_UNSAFE_PATH');
        chmodSync(path, 0o755);
      }
    });
  }

  it('is refused when others can write the authorities themselves', async (t) => {
    const path = join(await makeTempDir(t), 'ca.pem');
    writeFileSync(path, (await makeAuthority('A')).pem);
    chmodSync(path, 0o664);
    await appErrorOf(() => readBundle(path), 'SYS_UNSAFE_PATH');
  });

  it("may be a key that is the service's own, in a folder that is not", async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    writeFileSync(path, pemOf(newKey()), { mode: 0o600 });
    chownSync(path, STRANGER, STRANGER);
    assert.equal((await readServerKey(path))?.asymmetricKeyType, 'ec');
  });
});
