// What a script has to repeat before a key is deleted. The terminal is in key-provisioning.test.ts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { confirmName } from '../../../../src/cli/key/confirm.js';
import { appErrorOf } from '../../../support/app-error.js';

describe('confirmation of a name', () => {
  it('is the name itself and nothing else', async () => {
    await confirmName('account', 'q', 'account');
    for (const other of ['', 'accoun', 'account ', 'Account']) {
      const call = (): Promise<void> => confirmName('account', 'q', other);
      const { message } = await appErrorOf(call, 'KEY_UNCONFIRMED');
      assert.match(message, /--yes-delete says ".*", and the key is "account"/);
    }
  });
});
