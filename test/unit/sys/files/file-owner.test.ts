import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  foreignOwnerProblem,
  isTrustedOwner,
  privateFileAdvice,
} from '../../../../src/sys/files/file-owner.js';
import { effectiveUserId } from '../../../../src/sys/user.js';

describe('isTrustedOwner', () => {
  it('trusts root and the user, and nobody else', () => {
    assert.equal(isTrustedOwner({ uid: 0 }, 999), true);
    assert.equal(isTrustedOwner({ uid: 999 }, 999), true);
    assert.equal(isTrustedOwner({ uid: 1000 }, 999), false);
    assert.equal(isTrustedOwner({ uid: 999 }, 0), false);
  });

  it('has a sentence about the others', () => {
    assert.equal(
      foreignOwnerProblem({ uid: 1000 }),
      "belongs to user ID 1000, neither root nor this process's user",
    );
  });
});

describe('privateFileAdvice', () => {
  it('gives a foreign file to this user before it closes it', () => {
    const own = effectiveUserId();
    assert.equal(privateFileAdvice('/f', { uid: own }), 'chmod 0600 /f');
    assert.match(privateFileAdvice('/f', { uid: own + 1 }), /^chown \S+ \/f && chmod 0600 \/f$/);
  });
});
