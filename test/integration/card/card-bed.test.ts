// The virtual PIV card is what it stands for: seen through OpenSC's and Yubico's own tools and
// modules, it shows its keys, signs, counts PIN tries, locks, is unlocked with the PUK, and can be
// pulled and put back.

import assert from 'node:assert/strict';
import { verify, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  PIV_MODULES,
  startPivCard,
  startPivCards,
  type PivCardBed,
  type PivModule,
} from '../../support/modules/piv-card.js';
import { mustRun, runCommand, type CommandResult } from '../../support/process.js';

const MODULES = ['opensc', 'ykcs11'] as const;
const WRONG_PIN = '99999999';

function pkcs11Tool(
  bed: PivCardBed,
  module: PivModule,
  ...args: readonly string[]
): Promise<CommandResult> {
  return runCommand('pkcs11-tool', ['--module', PIV_MODULES[module], ...args], { env: bed.env });
}

for (const module of MODULES) {
  describe(`virtual PIV card through ${module}`, () => {
    it('signs with RSA, P-256 and P-384 in every slot', async (t) => {
      const { card, ...bed } = await startPivCard(t, {
        '9a': 'rsa2048',
        '9c': 'p256',
        '9d': 'rsa2048',
        '9e': 'p384',
      });
      const input = join(bed.folder, 'input');
      const output = join(bed.folder, 'output');
      writeFileSync(input, 'what is signed');
      const slots = [
        ['9a', '01', 'SHA256-RSA-PKCS'],
        ['9c', '02', 'ECDSA-SHA256'],
        ['9e', '04', 'ECDSA-SHA256'],
      ] as const;
      for (const [slot, id, mechanism] of slots) {
        const login = ['--login', '--pin', card.pin];
        const files = ['--input-file', input, '--output-file', output];
        const what = ['--sign', '--id', id, '--mechanism', mechanism, ...files];
        const run = await pkcs11Tool(bed, module, ...login, ...what);
        assert.equal(run.code, 0, `${slot}: ${run.stderr}`);
        const key = card.publicKeys[slot];
        assert.ok(key !== undefined);
        const given = { key, dsaEncoding: 'ieee-p1363' } as const;
        assert.ok(verify('sha256', readFileSync(input), given, readFileSync(output)), slot);
      }
      assert.equal((await card.statistics()).signatures, slots.length);
    });

    it('counts wrong PINs, locks, and is unlocked with the PUK', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const login = (pin: string): Promise<CommandResult> =>
        pkcs11Tool(bed, module, '--login', '--pin', pin, '--list-objects');
      assert.match((await login(WRONG_PIN)).stderr, /CKR_PIN_INCORRECT/);
      assert.deepEqual(pick(await card.statistics()), { right: 0, wrong: 1, left: 2 });
      assert.equal((await login(card.pin)).code, 0);
      assert.deepEqual(pick(await card.statistics()), { right: 1, wrong: 1, left: 3 });
      for (let tries = 0; tries < 3; tries++) {
        assert.notEqual((await login(WRONG_PIN)).code, 0);
      }
      assert.match((await login(card.pin)).stderr, /CKR_PIN_LOCKED/);
      assert.equal((await card.statistics()).pinTriesLeft, 0);
      const unblock = ['-a', 'unblock-pin', '-P', card.puk, '-N', card.pin];
      await mustRun('yubico-piv-tool', unblock, { env: bed.env });
      assert.equal((await login(card.pin)).code, 0);
    });

    it('is gone when pulled out, and another one shows another serial number', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const list = async (): Promise<string> =>
        (await pkcs11Tool(bed, module, '--list-token-slots')).stdout;
      const first = await list();
      await bed.remove();
      assert.doesNotMatch(await list(), /serial num/);
      await bed.insert(await bed.makeCard({ '9a': 'p256' }));
      const second = await list();
      await bed.remove();
      await bed.insert(card);
      assert.equal(await list(), first);
      const [serial, other] = [first, second].map((text) => /serial num.*/.exec(text)?.[0]);
      assert.ok(serial !== undefined && other !== undefined);
      assert.notEqual(serial, other);
    });
  });
}

describe('virtual PIV card', () => {
  it('changes its PIN, makes a key and attests it, for the administrator', async (t) => {
    const { card, ...bed } = await startPivCard(t, {});
    const tool = (...args: readonly string[]): Promise<string> =>
      mustRun('yubico-piv-tool', args, { env: bed.env });
    await tool('-a', 'change-pin', '-P', card.pin, '-N', '87654321');
    await tool('-a', 'verify-pin', '-P', '87654321');
    assert.match(
      await tool('-a', 'generate', '-s', '9a', '-A', 'ECCP256'),
      /^-----BEGIN PUBLIC KEY-----/,
    );
    const certificate = new X509Certificate(await tool('-a', 'attest', '-s', '9a'));
    assert.equal(certificate.subject, 'CN=YubiKey PIV Attestation 9a');
    const issuer = new X509Certificate(await tool('-a', 'read-certificate', '-s', 'f9'));
    assert.ok(certificate.verify(issuer.publicKey));
  });

  it('shares the reader with a second card', async (t) => {
    const bed = await startPivCards(t);
    const cards = [await bed.makeCard({ '9a': 'p256' }), await bed.makeCard({ '9a': 'p256' })];
    for (const [slot, card] of cards.entries()) {
      await bed.insert(card, slot);
    }
    const { stdout } = await pkcs11Tool(bed, 'ykcs11', '--list-token-slots');
    for (const { serial } of cards) {
      assert.match(stdout, new RegExp(`serial num +: ${serial}`));
    }
  });

  it('comes back when pcscd does', async (t) => {
    const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
    await bed.pcscd.stop();
    assert.notEqual((await runCommand('opensc-tool', ['--atr'], { env: bed.env })).code, 0);
    await bed.pcscd.start();
    await bed.insert(card);
    await mustRun('opensc-tool', ['--atr'], { env: bed.env });
  });
});

interface Tries {
  readonly right: number;
  readonly wrong: number;
  readonly left: number;
}

function pick(statistics: {
  readonly verifyRight: number;
  readonly verifyWrong: number;
  readonly pinTriesLeft: number;
}): Tries {
  const { verifyRight: right, verifyWrong: wrong, pinTriesLeft: left } = statistics;
  return { right, wrong, left };
}
