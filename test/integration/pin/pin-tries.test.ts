// A token that counts wrong PINs and locks (opencryptoki's soft token, three tries), and what the
// daemon says and does at each count. On SoftHSM a wrong PIN is never the last.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { startOpencryptoki } from '../../support/modules/opencryptoki.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';

const WRONG_PIN = '99999999';

describe('a token with three tries', () => {
  it('is tried once for each clearance, warned of, and left alone at its last try', async (t) => {
    const bed = await startOpencryptoki(t);
    const folder = await makeTempDir(t);
    const state = join(folder, 'state');
    const pinFile = join(folder, 'pin');
    const setPin = (pin: string): void => {
      writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
    };
    const run = (): Promise<CommandResult> => {
      const uri = `pkcs11:${bed.token};object=none?module-name=${bed.moduleName}&pin-source=file:${pinFile}`;
      const words = bed.inside(process.execPath, [CLAVIGERD, `--privkey=${uri}`, '--stdio']);
      return runCommand(words.command, words.args, {
        env: { ...bed.env, STATE_DIRECTORY: state },
      });
    };
    const clear = async (): Promise<void> => {
      const { code } = await runClavigerd(['pin', 'clear', `--state-directory=${state}`]);
      assert.equal(code, 0);
    };
    setPin(WRONG_PIN);
    assert.match((await run()).stderr, /the PIN is wrong .*CKR_PIN_INCORRECT/);
    for (let again = 0; again < 5; again++) {
      const { code, stderr } = await run();
      assert.equal(code, 1);
      assert.match(stderr, /no PIN is tried: the PIN of file:.* was refused at/);
    }
    await clear();
    const second = await run();
    assert.match(second.stderr, /wrong PINs have used up tries already; trying once/);
    assert.match(second.stderr, /the PIN is wrong/);
    await clear();
    setPin(bed.pin);
    const third = await run();
    assert.match(third.stderr, /one PIN try is left; it is not used here/);
    assert.match(third.stderr, /clavigerd: hint: log in once by hand/);

    const missByHand = ['--login', '--pin', WRONG_PIN, '--list-objects', '--module'];
    const module = '/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so.0';
    const words = bed.inside('pkcs11-tool', [...missByHand, module]);
    await runCommand(words.command, words.args);
    const locked = await run();
    assert.match(locked.stderr, /clavigerd: error: token "ock": the PIN is locked/);
    assert.match(locked.stderr, /clavigerd: hint: unlock it/);

    await bed.unlock();
    const unlocked = await run();
    assert.match(unlocked.stderr, /clavigerd: error: key: none matches object="none"/);
  });
});
