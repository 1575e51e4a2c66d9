// Ends what tests make, last first, and all of it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { atEnd } from '../../support/scope.js';

type CleanUp = () => Promise<void> | void;

function recordingScope(): { scope: { after(cleanUp: CleanUp): void }; end: () => Promise<void> } {
  const hooks: CleanUp[] = [];
  return {
    scope: { after: (cleanUp) => void hooks.push(cleanUp) },
    end: async () => {
      for (const hook of hooks) {
        await hook();
      }
    },
  };
}

describe('scope', () => {
  it('ends what was made last first', async () => {
    const { scope, end } = recordingScope();
    const ended: string[] = [];
    atEnd(scope, () => void ended.push('folder'));
    atEnd(scope, () => void ended.push('server'));
    await end();
    assert.deepEqual(ended, ['server', 'folder']);
  });

  it('ends the rest when one fails, and then fails', async () => {
    const { scope, end } = recordingScope();
    const ended: string[] = [];
    atEnd(scope, () => void ended.push('folder'));
    atEnd(scope, () => {
      throw new Error('stuck');
    });
    await assert.rejects(end(), /stuck/);
    assert.deepEqual(ended, ['folder']);
  });
});
