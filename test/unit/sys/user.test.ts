// Who this process is, as the system says it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { currentUser, effectiveUserId, userEntry, userName } from '../../../src/sys/user.js';
import { runCommand } from '../../support/process.js';

describe('the user', () => {
  it('is the one that id(1) names', async () => {
    const [id, name] = await Promise.all(['-u', '-un'].map(outputOfId));
    assert.equal(String(effectiveUserId()), id);
    assert.equal(userName(), name);
    assert.equal(userEntry()?.username, name);
    assert.equal(currentUser(), `${name ?? ''} (user ID ${id ?? ''})`);
  });
});

async function outputOfId(option: string): Promise<string> {
  const { stdout } = await runCommand('id', [option]);
  return stdout.trim();
}
