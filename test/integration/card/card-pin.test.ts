// The daemon and the PIN of a card, where the card counts: a wrong PIN costs one try whatever
// happens after it, a PIN that is locked or has one try left is not sent, a key that wants the PIN
// each time gets it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeCardDaemon } from '../../support/daemon/card-daemon.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import {
  pivUri,
  startPivCard,
  type PivCard,
  type PivCardBed,
} from '../../support/modules/piv-card.js';
import { mustRun, runCommand } from '../../support/process.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';

const WRONG_PIN = '99999999';
const NOT_SIGNED = /^token-locked$/;

/** PIN tries as the card counts them: used up by wrong PINs, and left. */
async function tries(card: PivCard): Promise<{ wrong: number; left: number }> {
  const { verifyWrong: wrong, pinTriesLeft: left } = await card.statistics();
  return { wrong, left };
}

/** Sends a wrong PIN with Yubico's tool. */
async function missByHand(bed: PivCardBed, count: number): Promise<void> {
  for (let miss = 0; miss < count; miss++) {
    await runCommand('yubico-piv-tool', ['-a', 'verify-pin', '-P', WRONG_PIN], { env: bed.env });
  }
}

for (const module of ['opensc', 'ykcs11'] as const) {
  describe(`daemon with a key on a card, PIN, through ${module}`, () => {
    it('wrong: costs one try', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const pinFile = join(bed.folder, 'pin');
      writeFileSync(pinFile, `${WRONG_PIN}\n`, { mode: 0o600 });
      const daemon = makeCardDaemon(t, bed, pivUri(module, '9a', { pinFile }));
      const { answer, told } = await daemon.startOnce();
      assert.match(answer, NOT_SIGNED);
      assert.match(told, /the PIN is wrong .*CKR_PIN_INCORRECT/);
      assert.deepEqual(await tries(card), { wrong: 1, left: 2 });
    });

    it('changed while in use: costs one try, whatever is asked after that', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const uri = pivUri(module, '9a', card);
      const daemon = await startClavigerd(t, {
        key: uri,
        env: { ...bed.env, STATE_DIRECTORY: bed.folder },
      });
      const client = await connectSigningClient(t, daemon.socket);
      assert.equal(await client.sign(), 'signed');
      await bed.remove();
      await bed.insert(card);
      const change = ['-a', 'change-pin', '-P', card.pin, '-N', 'changed1'];
      await mustRun('yubico-piv-tool', change, { env: bed.env });
      await bed.remove();
      const answers: string[] = [];
      for (let round = 0; round < 3; round++) {
        await bed.insert(card);
        for (let count = 0; count < 4; count++) {
          answers.push(await client.sign());
        }
        await bed.remove();
      }
      assert.deepEqual(await tries(card), { wrong: 1, left: 2 });
      assert.ok(!answers.includes('signed'), answers.join());
      assert.equal(answers.at(-1), 'token-locked', answers.join());
      assert.ok(daemon.process.isRunning);
    });

    it('locked: is not sent, and the message says so', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      await missByHand(bed, 3);
      const before = await card.statistics();
      const daemon = makeCardDaemon(t, bed, pivUri(module, '9a', card));
      const { answer, told } = await daemon.startOnce();
      assert.match(answer, NOT_SIGNED);
      assert.match(told, /the PIN is locked/);
      assert.match(told, /PUK/);
      const { verifyRight, verifyWrong, pinTriesLeft } = await card.statistics();
      assert.equal(verifyRight + verifyWrong, before.verifyRight + before.verifyWrong);
      assert.equal(pinTriesLeft, 0);
    });

    it('with one try left: is not sent, not even when it is right', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      await missByHand(bed, 2);
      const daemon = makeCardDaemon(t, bed, pivUri(module, '9a', card));
      const { answer, told } = await daemon.startOnce();
      assert.match(answer, NOT_SIGNED);
      assert.match(told, /one PIN try is left/);
      assert.deepEqual(await tries(card), { wrong: 2, left: 1 });
      assert.equal((await card.statistics()).verifyRight, 0);
    });

    it('of a length that no card takes: costs no try', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const pinFile = join(bed.folder, 'pin');
      writeFileSync(pinFile, '123\n', { mode: 0o600 });
      const daemon = makeCardDaemon(t, bed, pivUri(module, '9a', { pinFile }));
      const { answer, told } = await daemon.startOnce();
      assert.match(answer, NOT_SIGNED);
      assert.match(told, /PIN/);
      assert.deepEqual(await tries(card), { wrong: 0, left: 3 });
    });

    for (const type of ['rsa2048', 'p256', 'p384'] as const) {
      it(`each time, for the ${type} key of slot 9c: signs, with a login for each`, async (t) => {
        const { card, ...bed } = await startPivCard(t, { '9c': type });
        const uri = pivUri(module, '9c', card);
        const daemon = await startClavigerd(t, {
          key: uri,
          env: { ...bed.env, STATE_DIRECTORY: bed.folder },
        });
        const client = await connectSigningClient(t, daemon.socket);
        const before = await card.statistics();
        for (let count = 0; count < 5; count++) {
          assert.equal(await client.sign(), 'signed');
        }
        const after = await card.statistics();
        assert.equal(after.verifyWrong, 0);
        assert.equal(after.verifyRight - before.verifyRight, 5);
        assert.equal(after.signatures - before.signatures, 5);
        assert.ok(!readFileSync(daemon.logfile, 'utf8').includes(card.pin));
      });
    }
  });
}
