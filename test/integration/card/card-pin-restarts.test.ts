// A wrong PIN, a card that counts, and a service manager that starts the daemon again and again, or
// kills it in the middle of its attempt: one try is lost, and no more until a person has corrected
// the PIN.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeCardDaemon, type CardDaemon } from '../../support/daemon/card-daemon.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import type { CommandResult } from '../../support/process.js';
import {
  pivUri,
  startPivCard,
  type PivCard,
  type PivModule,
} from '../../support/modules/piv-card.js';

const RESTARTS = 50;
/** Where each command to the card takes 43 ms. */
const SLOW_RESTARTS = 8;
const KILLS = 20;
/** The last kills come when a start has long made its attempt. */
const KILL_STEP_MS = 45;
const WRONG_PIN = '99999999';

interface Fixture {
  readonly card: PivCard;
  readonly daemon: CardDaemon;
  readonly restarts: number;
  readonly setPin: (pin: string) => void;
  readonly correctPin: () => void;
  /** `clavigerd --stdio`, with the same state. */
  readonly serveOne: () => Promise<CommandResult>;
}

async function makeFixture(t: TestContext, module: PivModule): Promise<Fixture> {
  const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
  const pinFile = join(bed.folder, 'pin');
  writeFileSync(pinFile, `${WRONG_PIN}\n`, { mode: 0o600 });
  const uri = pivUri(module, '9a', { pinFile });
  const daemon = makeCardDaemon(t, bed, uri);
  const setPin = (pin: string): void => {
    writeFileSync(pinFile, `${pin}\n`);
  };
  return {
    card,
    daemon,
    restarts: bed.pcscd.isFast ? RESTARTS : SLOW_RESTARTS,
    setPin,
    correctPin() {
      setPin(card.pin);
    },
    serveOne: () => runClavigerd([`--privkey=${uri}`, '--stdio'], { env: daemon.env }),
  };
}

/** PIN tries as the card counts them: used up by wrong PINs, and left. */
async function tries(card: PivCard): Promise<{ wrong: number; left: number }> {
  const { verifyWrong: wrong, pinTriesLeft: left } = await card.statistics();
  return { wrong, left };
}

for (const module of ['opensc', 'ykcs11'] as const) {
  describe(`a wrong PIN for a card, through ${module}`, () => {
    it(`costs one try in ${RESTARTS} restarts; then the right one works`, async (t) => {
      const { card, daemon, restarts, correctPin } = await makeFixture(t, module);
      for (let restart = 0; restart <= restarts; restart++) {
        const { answer, told } = await daemon.startOnce();
        assert.match(answer, /^token-locked$/);
        assert.match(told, /PIN/);
        assert.deepEqual(await tries(card), { wrong: 1, left: 2 }, `start ${restart}: ${told}`);
      }
      correctPin();
      const { answer, told } = await daemon.startOnce();
      assert.equal(answer, 'signed', told);
      assert.deepEqual(await tries(card), { wrong: 1, left: 3 });
    });

    it('costs one more try when its file is changed, of six daemons at once', async (t) => {
      const { card, daemon, setPin, serveOne } = await makeFixture(t, module);
      assert.match((await daemon.startOnce()).answer, /^token-locked$/);
      setPin(`${WRONG_PIN.slice(1)}8`);
      const results = await Promise.all(Array.from({ length: 6 }, () => serveOne()));
      assert.deepEqual(await tries(card), { wrong: 2, left: 1 });
      // A module that finds the card in use by others may show no token: that daemon asks for
      // nothing.
      const kept = results.filter(({ stderr }) =>
        /attempts in a row failed|one PIN try is left|the module shows no token/.test(stderr),
      );
      assert.equal(kept.length, 6, results.map(({ stderr }) => stderr).join(''));
    });

    it('costs at most one try when every start is killed at another moment', async (t) => {
      const { card, daemon, correctPin } = await makeFixture(t, module);
      for (let kill = 0; kill < KILLS; kill++) {
        const started = await daemon.start();
        await sleep(kill * KILL_STEP_MS);
        started.signal('SIGKILL');
        await started.exited;
      }
      assert.notEqual((await daemon.startOnce()).answer, 'signed');
      const { wrong } = await tries(card);
      assert.ok(wrong <= 1, `${wrong} tries lost`);
      correctPin();
      const { answer, told } = await daemon.startOnce();
      assert.equal(answer, 'signed', told);
    });
  });
}
