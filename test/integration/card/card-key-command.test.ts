// `clavigerd key` on a virtual PIV card, through OpenSC and ykcs11: what the card attests, its PIN
// changed, and what a card counts.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  PIV_MODULES,
  pivUri,
  startPivCard,
  type PivCardBed,
} from '../../support/modules/piv-card.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';

/** The SO PIN of ykcs11, in hexadecimal; this is the one cards are delivered with. */
const MANAGEMENT_KEY = '010203040506070801020304050607080102030405060708';
const NEW_PIN = '71829364';

function key(bed: PivCardBed, ...args: readonly string[]): Promise<CommandResult> {
  return runCommand(process.execPath, [CLAVIGERD, 'key', ...args], { env: bed.env });
}

/** The PEM blocks of a text. */
function certificatesIn(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((pem) => new X509Certificate(pem));
}

describe('clavigerd key on a card, attest', () => {
  it('prints the attestation of the key and what issued it, through ykcs11', async (t) => {
    const { card, ...bed } = await startPivCard(t, { '9a': 'p256', '9c': 'rsa2048' });
    for (const slot of ['9a', '9c'] as const) {
      const { code, stdout, stderr } = await key(bed, 'attest', pivUri('ykcs11', slot, card));
      assert.equal(code, 0, stderr);
      assert.match(stderr, /asking the token for an attestation/);
      assert.match(stdout, new RegExp(`^subject: CN=YubiKey PIV Attestation ${slot}$`, 'm'));
      const [attestation, intermediate] = certificatesIn(stdout);
      assert.ok(attestation !== undefined && intermediate !== undefined);
      const own = card.publicKeys[slot];
      assert.ok(own !== undefined && attestation.publicKey.equals(own));
      assert.ok(attestation.verify(intermediate.publicKey));
      assert.equal(attestation.issuer, intermediate.subject);
    }
    const args = ['attest', pivUri('ykcs11', '9a', card), '--json'];
    const report: unknown = JSON.parse((await key(bed, ...args)).stdout);
    assert.match(JSON.stringify(report), /"id":"01".*"attestation":"-----BEGIN.*"intermediate":"/);
  });

  it('says that OpenSC offers none', async (t) => {
    const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
    const { code, stdout, stderr } = await key(bed, 'attest', pivUri('opensc', '9a', card));
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /this module offers no attestation of it\n.*hint: ykcs11 does/);
  });
});

describe('clavigerd key on a card, generate', () => {
  it('makes a key in a slot of a YubiKey, with the management key', async (t) => {
    const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
    const so = join(bed.folder, 'so');
    writeFileSync(so, MANAGEMENT_KEY, { mode: 0o600 });
    const where = ['--module', PIV_MODULES.ykcs11, '--id', '02', '--label', 'unused'];
    const unprivileged = await key(bed, 'generate', ...where, '--pin-source', card.pinFile);
    assert.equal(unprivileged.code, 1);
    const officer = ['--so-login', '--so-pin-source', so];
    const { code, stdout, stderr } = await key(bed, 'generate', ...where, ...officer);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^id: +02$/m);
    const uri = /^uri: +(pkcs11:.*)$/m.exec(stdout)?.[1] ?? '';
    // A slot that is in use would lose its key.
    for (const id of ['01', '02']) {
      const again = await key(bed, 'generate', ...where, '--id', id, ...officer);
      assert.equal(again.code, 1);
      assert.match(again.stderr, new RegExp(`a key with ID ${id} already`));
    }
    const test = await key(bed, 'test', uri, '--pin-source', card.pinFile, '--count', '2');
    assert.equal(test.code, 0, test.stderr);
  });
});

for (const module of ['opensc', 'ykcs11'] as const) {
  describe(`clavigerd key on a card, through ${module}`, () => {
    const where = ['--module', PIV_MODULES[module]];

    it('pin change: a wrong PIN costs one try, the right one is replaced', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const next = join(bed.folder, 'next');
      writeFileSync(next, NEW_PIN, { mode: 0o600 });
      const change = (present: string, to: string): Promise<CommandResult> => {
        const sources = ['--pin-source', present, '--new-pin-source', to];
        return key(bed, 'pin', 'change', ...where, ...sources);
      };
      const wrong = await change(next, card.pinFile);
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /the PIN is wrong .*CKR_PIN_INCORRECT.*\n.*one attempt was made/);
      assert.equal((await card.statistics()).pinTriesLeft, 2);
      const done = await change(card.pinFile, next);
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /^the PIN of token .* is changed$/m);
      // Not a recorded secret: OpenSC wants digits, and hashes hold any eight of them by chance.
      assert.ok(!`${wrong.stderr}${done.stdout}${done.stderr}`.includes(NEW_PIN));
      const list = await key(bed, 'list', ...where, '--pin-source', next);
      assert.equal(list.code, 0, list.stderr);
      assert.match(list.stdout, / 01 +P-256 +private$/m);
      assert.equal((await card.statistics()).pinTriesLeft, 3);
    });

    it('pin change --unblock: says how to use the PUK, which PKCS#11 does not', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256' });
      const so = join(bed.folder, 'so');
      writeFileSync(so, module === 'ykcs11' ? MANAGEMENT_KEY : card.puk, { mode: 0o600 });
      const sources = ['--so-pin-source', so, '--new-pin-source', card.pinFile];
      const { code, stderr } = await key(bed, 'pin', 'change', ...where, '--unblock', ...sources);
      assert.equal(code, 1);
      assert.match(stderr, /error: token: C_\w+.*CKR_\w+.*\n.*with a PUK: ykman piv access/);
      const { pinTriesLeft, pukTriesLeft } = await card.statistics();
      assert.deepEqual({ pinTriesLeft, pukTriesLeft }, { pinTriesLeft: 3, pukTriesLeft: 3 });
    });

    it('test: a key that wants the PIN for each signature gets it', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9c': 'p256' });
      const args = ['test', pivUri(module, '9c', card), '--count', '4'];
      const { code, stdout, stderr } = await key(bed, ...args);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^signatures: +4, each verified: all right$/m);
      assert.equal((await card.statistics()).signatures, 4);
    });

    it('delete: leaves everything where it is when the module deletes no keys', async (t) => {
      const { card, ...bed } = await startPivCard(t, { '9a': 'p256', '9c': 'p256' });
      const uri = pivUri(module, '9a', card);
      const shown = await key(bed, 'show', uri, '--login');
      const label = /^label: +(.*)$/m.exec(shown.stdout)?.[1] ?? '';
      const { code, stderr } = await key(bed, 'delete', uri, '--yes-delete', label);
      assert.equal(code, 1);
      assert.match(stderr, /C_DestroyObject: CKR_/);
      const { stdout } = await key(bed, 'list', ...where, '--pin-source', card.pinFile);
      assert.match(stdout, / 01 +P-256 +private$/m);
      assert.match(stdout, / 02 +P-256 +private$/m);
    });
  });
}
