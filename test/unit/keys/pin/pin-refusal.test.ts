// When a PIN is not sent at all. SoftHSM never locks, so the states of a token are given here.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../../src/lib/errors.js';
import {
  assertLoginIsSafe,
  explainRefusal,
  isPinRefusal,
} from '../../../../src/keys/pin/pin-refusal.js';
import { appErrorOf } from '../../../support/app-error.js';

describe('login', () => {
  it('is tried while the token has tries left', () => {
    for (const pinState of ['ok', 'count-low'] as const) {
      assertLoginIsSafe({ label: 'acme', pinState });
    }
  });

  it('is not tried on a locked token, nor with its last try', async () => {
    for (const pinState of ['locked', 'final-try'] as const) {
      const error = await appErrorOf(() => {
        assertLoginIsSafe({ label: 'acme', pinState });
      }, 'TOKEN_PIN_LOCKED');
      assert.match(error.message, /^token "acme": /);
      assert.ok(error.hint !== undefined);
    }
  });

  it('that was refused is told with the token and what to do', () => {
    const refusal = explainRefusal(new AppError('TOKEN_PIN_INCORRECT', 'token: C_Login: x'), {
      label: 'acme',
    });
    assert.match(refusal.message, /^token "acme": the PIN is wrong \(token: C_Login: x\)$/);
    assert.match(refusal.hint ?? '', /one attempt was made and no other will be/);
    assert.ok(isPinRefusal(refusal));
    assert.ok(!isPinRefusal(new AppError('TOKEN_FAILED', 'x')));
  });
});
