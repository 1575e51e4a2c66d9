// The privkey setting: which kinds there are, and how it is shown.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { describePrivkey, openAccountKey } from '../../../src/keys/open-account-key.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeKey } from '../../support/keys/keys.js';
import { makeTempDir } from '../../support/temp-dir.js';

const context = { env: {}, log: (): void => undefined };

describe('privkey', () => {
  it('file: opens a PEM file', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    writeFileSync(path, makeKey('ES384').pem, { mode: 0o600 });
    const key = await openAccountKey(`file:${path}`, context);
    assert.equal(key.algorithm, 'ES384');
  });

  for (const kind of ['gpg:', 'openpgp:']) {
    it(`${kind} opens an encrypted file`, async (t) => {
      const path = join(await makeTempDir(t), 'key.gpg');
      writeFileSync(path, 'not encrypted');
      // That it is this kind of file which is wanted shows that the right code was asked.
      await appErrorOf(() => openAccountKey(`${kind}${path}`, context), 'KEY_DECRYPT');
      assert.equal(describePrivkey(`${kind}${path}`), `${kind}${path}`);
    });
  }

  for (const privkey of ['', '/etc/key.pem', 'pgp:/etc/key.gpg', 'pkcs11', 'geheim-4711']) {
    it(`${JSON.stringify(privkey)} is refused, with what there is`, async () => {
      const error = await appErrorOf(() => openAccountKey(privkey, context), 'KEY_UNSUPPORTED');
      assert.match(error.hint ?? '', /pkcs11:.*file:.*gpg:.*openpgp:/);
      assert.doesNotMatch(error.message, /geheim|etc/);
      await appErrorOf(() => describePrivkey(privkey), 'KEY_UNSUPPORTED');
    });
  }

  it('is shown without its PIN, and refused before anything is opened', async () => {
    assert.equal(describePrivkey('file:/etc/key.pem'), 'file:/etc/key.pem');
    assert.equal(
      describePrivkey('pkcs11:object=a;token=b?pin-value=1&module-path=/x'),
      'pkcs11:token=b;object=a?module-path=/x',
    );
    await appErrorOf(() => describePrivkey('pkcs11:tokne=a'), 'KEY_URI');
  });
});
