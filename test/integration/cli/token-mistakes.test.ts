// What an administrator gets wrong about a token or the secret of a key file, and what the log or
// the command then says. Real modules; the daemon as a unit would start it.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeSectionBed, startInBed } from '../../support/daemon/daemon-sections.js';
import { makeKey } from '../../support/keys/keys.js';
import { asUser } from '../../support/other-user.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const NOBODY = { id: 65_534, groups: [] };

describe('a mistake with a token is told so that it can be mended', () => {
  it('a configuration of SoftHSM that this user may not read', async (t) => {
    const conf = join(await makeTempDir(t), 'softhsm2.conf');
    await writeFile(conf, '', { mode: 0o600 });
    const list = [process.execPath, CLAVIGERD, 'key', 'list', '--module-name=softhsm2'];
    // Without the right to read everything that the tests give to other users.
    const [program = '', ...args] = asUser(NOBODY, list).filter((word) => !/-caps=/.test(word));
    const { code, stderr } = await runCommand(program, args, { env: { SOFTHSM2_CONF: conf } });
    assert.notEqual(code, 0);
    assert.match(stderr, /not readable for user ID 65534: SOFTHSM2_CONF names it/);
    assert.match(stderr, /Debian lets the group softhsm read/);
  });

  it('a typo in the label of a token: the daemon names those there are in one line', async (t) => {
    const hsm = await createSoftHsm(t);
    const first = await hsm.addToken('acme');
    const second = await hsm.addToken('other\u001b[2J');
    const bed = await makeSectionBed(
      t,
      'privkey = "pkcs11:token=acne;object=account?module-name=softhsm2"\nsocket = "@/S"\n',
    );
    const daemon = await startInBed(t, bed, { env: hsm.env, waitFor: /waiting / });
    const [line = '', ...others] = daemon.stderr
      .split('\n')
      .filter((each) => each.includes('none matches'));
    assert.deepEqual(others, []);
    assert.match(line, /none matches token=\\?"acne/);
    for (const { serial } of [first, second]) {
      assert.ok(line.includes(`(serial ${serial})`), line);
    }
    const [, list = ''] = /(key list --module=\/\S+?\.so)\b/.exec(line) ?? [];
    assert.doesNotMatch(line, /\\n|\u001b|TOKEN +SERIAL/);
    // The command shows what it is said to show.
    const shown = await runClavigerd(list.split(' '), { env: hsm.env });
    assert.match(shown.stdout, /^acme /m);
  });
});

describe('a secret of a key file that does not open it', () => {
  it('is configuration, over which no unit starts the daemon again', async (t) => {
    const bed = await makeSectionBed(
      t,
      'privkey = "file:@/sealed.pem"\npin-source = "file:@/pin"\nsocket = "@/S"\n',
    );
    const pem = makeKey('ES256').privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'right',
    });
    await writeFile(bed.path('sealed.pem'), pem, { mode: 0o600 });
    await writeFile(bed.path('pin'), 'wrong\n', { mode: 0o600 });
    const { code, stderr } = await runClavigerd([`--config=${bed.config}`]);
    assert.match(stderr, /the passphrase is wrong, or the file damaged/);
    assert.equal(code, 2);
  });

  it('is configuration where gpg does not decrypt it, too', async (t) => {
    const bed = await makeSectionBed(
      t,
      'privkey = "gpg:@/key.gpg"\ngpg = "/bin/false"\nsocket = "@/S"\n',
    );
    await writeFile(bed.path('key.gpg'), Buffer.from('jA0ECQMC', 'base64'), { mode: 0o600 });
    const { code, stderr } = await runClavigerd([`--config=${bed.config}`]);
    assert.match(stderr, /error: account key: \S+key\.gpg/);
    assert.equal(code, 2, stderr);
  });
});
