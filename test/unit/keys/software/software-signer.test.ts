import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KeySignature } from '../../../../src/keys/account-key.js';
import { isAppError } from '../../../../src/lib/errors.js';
import { verifySignature } from '../../../../src/jose/signature.js';
import { SoftwareSigner } from '../../../../src/keys/software/software-signer.js';
import { clientOf } from '../../../support/daemon/clients.js';
import { makeKey } from '../../../support/keys/keys.js';

const key = makeKey('ES256');

describe('SoftwareSigner', () => {
  it('signs one after another and many at once, each over its own input', async () => {
    const signer = new SoftwareSigner('ES256', key.privateKey);
    for (const count of [1, 1, 20, 1, 3]) {
      const inputs = Array.from({ length: count }, (_, at) => Buffer.from(`input ${at}`));
      const signatures = await Promise.all(
        inputs.map((input) => signer.sign(input, { client: clientOf('1') })),
      );
      for (const [at, signature] of signatures.entries()) {
        const input = inputs[at] ?? Buffer.alloc(0);
        assert.ok(verifySignature('ES256', key.publicKey, input, signature.bytes));
      }
    }
  });

  it('leaves this thread free once requests come together', async () => {
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey);
    const finished: string[] = [];
    const all = [1, 2, 3].map((at) => signer.sign(Buffer.from(`${at}`), { client: clientOf('1') }));
    void Promise.resolve().then(() => finished.push('turn'));
    await Promise.all(all.map((one) => one.then(() => finished.push('signature'))));
    // The first was signed on this thread; the others were not done before this thread went on.
    assert.ok(finished.indexOf('turn') < finished.lastIndexOf('signature'));
  });

  it('serves listeners in turn, though the threads take work as it comes', async () => {
    // Counts the calls: which thread is done first is up to the system, the order in which work is
    // handed to the threads is not.
    let count = 0;
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey, () => (count += 1));
    const ask = (path: string): Promise<KeySignature> =>
      signer.sign(Buffer.from(path), { client: clientOf(path) });
    const flood = Array.from({ length: 200 }, (_, at) => ask(`flood/${at}`));
    const other = ask('other/1');
    const handed = (await Promise.all([...flood, other])).map(({ beganAt }) => beganAt);
    const { beganAt } = await other;
    const before = handed.filter((at) => at < beganAt).length;
    assert.ok(before < 12, `after ${before} of ${handed.length}`);
  });

  it('signs nothing more for a client that is gone', async () => {
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey);
    const client = clientOf('1');
    const asked = Array.from({ length: 50 }, () => signer.sign(Buffer.from('x'), { client }));
    const other = signer.sign(Buffer.from('x'), { client: clientOf('2') });
    signer.cancel(client);
    const codes = (await Promise.allSettled(asked)).map((result) =>
      result.status === 'rejected' && isAppError(result.reason)
        ? result.reason.code
        : result.status,
    );
    assert.ok(codes.filter((code) => code === 'KEY_CANCELLED').length > 30, codes.join());
    assert.equal((await other).bytes.length, 256);
  });
});
