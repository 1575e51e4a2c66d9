import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
        assert.ok(verifySignature('ES256', key.publicKey, input, signature));
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
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey);
    // The order in which work is handed to the threads: which of them is done first is the system's
    // matter.
    const begun: string[] = [];
    const ask = (path: string): Promise<Buffer> => {
      const onBegin = (): void => {
        begun.push(path);
      };
      return signer.sign(Buffer.from(path), { client: clientOf(path), onBegin });
    };
    const flood = Array.from({ length: 200 }, (_, at) => ask(`flood/${at}`));
    await Promise.all([...flood, ask('other/1')]);
    const at = begun.indexOf('other/1');
    assert.ok(at >= 0 && at < 12, `after ${at} of ${begun.length}`);
  });

  it('signs nothing more for a client that is gone', async () => {
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey);
    const client = clientOf('1');
    const asked = Array.from({ length: 50 }, () => signer.sign(Buffer.from('x'), { client }));
    const other = signer.sign(Buffer.from('x'), { client: clientOf('2') });
    signer.forget(client);
    const codes = (await Promise.allSettled(asked)).map((result) =>
      result.status === 'rejected' && isAppError(result.reason)
        ? result.reason.code
        : result.status,
    );
    assert.ok(codes.filter((code) => code === 'KEY_CANCELLED').length > 30, codes.join());
    assert.equal((await other).length, 256);
  });
});
