import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { findGroupId, findGroupName } from '../../../src/sys/group-database.js';

describe('findGroupId', () => {
  it('finds every group of /etc/group, as getent would', () => {
    for (const line of readFileSync('/etc/group', 'utf8').trimEnd().split('\n')) {
      const [name = '', , id] = line.split(':');
      assert.equal(findGroupId(name), Number(id), line);
    }
    assert.equal(findGroupId('root'), 0);
    assert.equal(findGroupName(0), 'root');
  });

  it('takes numbers, with or without a group of that number', () => {
    assert.equal(findGroupId('0'), 0);
    assert.equal(findGroupId('4294967294'), 4_294_967_294);
  });

  for (const name of ['', 'no-such-group', 'root:', 'ROOT', '4294967295', '-1', '1e3', ' 0']) {
    it(`knows nothing of ${JSON.stringify(name)}`, () => {
      assert.equal(findGroupId(name), undefined);
    });
  }

  it('knows no name of a number without one', () => {
    assert.equal(findGroupName(4_294_967_294), undefined);
  });
});
