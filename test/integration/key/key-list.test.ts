// The list of keys comes in pages, and is made once for all of them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HelperProcess } from '../../../src/keys/helper/helper-process.js';
import { HelperClient } from '../../../src/keys/helper/helper-client.js';
import { Secret } from '../../../src/lib/secret.js';
import { KEYS_PER_PAGE } from '../../../src/token/messages.js';
import { createFaultyToken } from '../../support/modules/fault-module.js';
import { atEnd } from '../../support/scope.js';

const TIMEOUT_MS = 60_000;

describe('a list of keys', () => {
  it('of two pages costs the token hardly more than one of one page', async (t) => {
    const faulty = await createFaultyToken(t);
    const { hsm, uri, token } = faulty;
    const helper = new HelperProcess({ env: { ...hsm.env }, log: () => undefined });
    const session = new HelperClient(helper, TIMEOUT_MS);
    atEnd(t, () => session.close());
    await session.load({ path: /module-path=([^&]*)/.exec(uri)?.[1] ?? '', quirks: {} });
    const info = await session.openToken({ serial: token.serial }, 'write');
    await session.login(info, Secret.fromText(token.pin));
    const listing = async (): Promise<number> => {
      const before = faulty.calls('C_FindObjectsInit').length;
      const keys = await session.listKeys();
      assert.equal(new Set(keys.map(({ id }) => id)).size, made + 1, 'and the key k');
      return faulty.calls('C_FindObjectsInit').length - before;
    };
    let made = 0;
    const make = async (): Promise<void> => {
      made += 1;
      const id = (0x1000 + made).toString(16);
      await session.generateKey({ type: 'p256', label: `k${made}`, id }, TIMEOUT_MS);
    };
    while (made < KEYS_PER_PAGE - 1) {
      await make();
    }
    const onePage = await listing();
    await make();
    const twoPages = await listing();
    assert.ok(twoPages < 1.5 * onePage, `${onePage}, then ${twoPages}`);
  });
});
