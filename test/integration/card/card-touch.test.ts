// The daemon with its key on a card that wants a touch for each signature: one that comes late,
// and one that never comes. Only the client that sent the request waits for either.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { pivUri, startPivCard } from '../../support/modules/piv-card.js';
import { connectSigningClient } from '../../support/requests/signing-client.js';

for (const module of ['opensc', 'ykcs11'] as const) {
  describe(`touch on a card, through ${module}`, () => {
    it('that takes 5 s: the signature comes, and other clients are served meanwhile', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const key = pivUri(module, '9a', card);
      const env = { ...bed.env, STATE_DIRECTORY: bed.folder };
      const daemon = await startClavigerd(t, { key, env });
      const client = await connectSigningClient(t, daemon.socket);
      const other = await connectSigningClient(t, daemon.socket);
      await card.setTouch(5_000);
      let answered = false;
      const answer = client.sign().finally(() => {
        answered = true;
      });
      while ((await card.statistics()).signaturesBegun === 0) {
        await sleep(5);
      }
      assert.equal(await other.lines.ask('!ping'), '!pong');
      const third = await connectSigningClient(t, daemon.socket);
      assert.equal(await third.lines.ask('!ping'), '!pong');
      assert.ok(!answered);
      assert.equal(await answer, 'signed');
      assert.equal((await card.statistics()).signatures, 1);
    });

    it('that never comes: the request ends at its time limit, the next ones are signed', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const key = pivUri(module, '9a', card);
      const settings = 'sign-timeout = 3';
      const env = { ...bed.env, STATE_DIRECTORY: bed.folder };
      const daemon = await startClavigerd(t, { key, settings, env });
      const client = await connectSigningClient(t, daemon.socket);
      assert.equal(await client.sign(), 'signed');
      await card.setTouch('never');
      assert.equal(await client.sign(), 'timeout');
      const other = await connectSigningClient(t, daemon.socket);
      assert.equal(await other.lines.ask('!ping'), '!pong');
      // The card goes on waiting, and nobody else can use it, until it gives up.
      await card.setTouch(0);
      await card.giveUpTouch();
      await client.signInTime();
      await other.signInTime();
      assert.ok(daemon.process.isRunning);
      assert.equal((await card.statistics()).verifyWrong, 0);
    });
  });
}
