// The daemon with its key on a card that is pulled out, in the middle of a signature too, put back,
// exchanged for another, and whose reader goes away with pcscd: it stays up, and signs again when
// the card is back.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startClavigerd, type Clavigerd } from '../../support/daemon/clavigerd.js';
import {
  pivUri,
  startPivCard,
  type PivCard,
  type PivCardBed,
  type PivModule,
} from '../../support/modules/piv-card.js';
import { connectSigningClient, type SigningClient } from '../../support/requests/signing-client.js';

/**
 * OpenSC deadlocks when a card is pulled at the wrong moment: then this is how long a request
 * takes.
 */
const SIGN_TIMEOUT_S = 4;

interface Fixture extends PivCardBed {
  readonly card: PivCard;
  readonly daemon: Clavigerd;
  readonly client: SigningClient;
}

async function startFixture(t: TestContext, module: PivModule): Promise<Fixture> {
  const bed = await startPivCard(t, { '9a': 'p256' });
  const daemon = await startClavigerd(t, {
    key: pivUri(module, '9a', bed.card),
    settings: `sign-timeout = ${SIGN_TIMEOUT_S}`,
    env: { ...bed.env, STATE_DIRECTORY: bed.folder },
  });
  const client = await connectSigningClient(t, daemon.socket);
  assert.equal(await client.sign(), 'signed');
  return { ...bed, daemon, client };
}

/** Waits until the card works on a signature and waits for a touch. */
async function waitForTouch(card: PivCard, before: number): Promise<void> {
  while ((await card.statistics()).signaturesBegun === before) {
    await sleep(5);
  }
}

/** Another card is in the reader: clients get errors, and it gets no PIN. */
async function assertNeverAsked(client: SigningClient, other: PivCard): Promise<void> {
  for (let count = 0; count < 10; count++) {
    assert.notEqual(await client.sign(), 'signed');
    await sleep(200);
  }
  const { verifyRight, verifyWrong } = await other.statistics();
  assert.deepEqual({ verifyRight, verifyWrong }, { verifyRight: 0, verifyWrong: 0 });
}

function logOf({ daemon }: Fixture): string {
  return readFileSync(daemon.logfile, 'utf8');
}

for (const module of ['opensc', 'ykcs11'] as const) {
  describe(`daemon with a key on a card, through ${module}`, () => {
    it('answers that the card is away, and signs when it is back', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client, daemon } = fixture;
      await fixture.remove();
      const answers: string[] = [];
      for (let count = 0; count < 5; count++) {
        answers.push(await client.sign());
      }
      assert.equal(answers.at(-1), 'token-absent', answers.join());
      assert.ok(!answers.includes('signed'));
      assert.equal(await client.lines.ask('!ping'), '!pong');
      await fixture.insert(card);
      await client.signInTime();
      assert.ok(daemon.process.isRunning);
      assert.equal((await card.statistics()).verifyWrong, 0);
    });

    it('survives a pull in the middle of a signature', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client, daemon } = fixture;
      const { signaturesBegun } = await card.statistics();
      await card.setTouch('never');
      const answer = client.sign();
      await waitForTouch(card, signaturesBegun);
      await fixture.remove(0, false);
      assert.match(await answer, /^(token-absent|timeout|internal)$/);
      assert.ok(daemon.process.isRunning);
      await card.setTouch(0);
      await fixture.insert(card);
      await client.signInTime();
      assert.equal((await card.statistics()).verifyWrong, 0);
    });

    it('survives pulls just before a signature, when pcscd has not noticed yet', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client, daemon } = fixture;
      for (const delayMs of [0, 50, 100, 150]) {
        await fixture.remove(0, false);
        await sleep(delayMs);
        assert.match(await client.sign(), /^(token-absent|timeout|internal)$/);
        await fixture.insert(card);
        await client.signInTime();
      }
      assert.ok(daemon.process.isRunning);
      assert.equal((await card.statistics()).verifyWrong, 0);
    });

    it('keeps the PIN from another card, and names both', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client } = fixture;
      const other = await fixture.makeCard({ '9a': 'p256' });
      await fixture.remove();
      await client.sign();
      await fixture.insert(other);
      await assertNeverAsked(client, other);
      assert.match(logOf(fixture), /serial was \\?"([0-9a-f]+)\\?" and is now \\?"(?!\1)[0-9a-f]+/);
      await fixture.remove();
      await fixture.insert(card);
      await client.signInTime();
    });

    it('keeps the PIN from a card of the same serial number with another key', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client } = fixture;
      const other = await fixture.makeCard({ '9a': 'p256' }, card.serial);
      await fixture.remove();
      await client.sign();
      await fixture.insert(other);
      await assertNeverAsked(client, other);
      await fixture.remove();
      await fixture.insert(card);
      await client.signInTime();
    });

    it('signs again when pcscd was restarted', async (t) => {
      const fixture = await startFixture(t, module);
      const { card, client, daemon, pcscd } = fixture;
      await pcscd.stop();
      for (let count = 0; count < 5; count++) {
        assert.notEqual(await client.sign(), 'signed');
      }
      await pcscd.start();
      await fixture.insert(card);
      await client.signInTime();
      assert.ok(daemon.process.isRunning);
      assert.equal((await card.statistics()).verifyWrong, 0);
    });
  });
}
