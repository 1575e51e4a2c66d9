import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearestName } from '../../../src/lib/nearest-name.js';

const KNOWN = ['names', 'key', 'key-type', 'cert', 'chain', 'fullchain', 'audit-log', 'socket'];

describe('nearestName', () => {
  for (const [typed, meant] of [
    ['name', 'names'],
    ['NAMES', 'names'],
    ['key_type', 'key-type'],
    ['keytype', 'key-type'],
    ['fulchain', 'fullchain'],
    ['auditlog', 'audit-log'],
    ['audit_logs', 'audit-log'],
    ['scoket', 'socket'],
    ['certificate', 'cert'],
    ['kye', 'key'],
    ['xyz', undefined],
    ['', undefined],
    ['timeout', undefined],
  ] as const) {
    it(`takes ${JSON.stringify(typed)} for ${String(meant)}`, () => {
      assert.equal(nearestName(typed, KNOWN), meant);
    });
  }

  it('takes nothing for anything where nothing is known', () => {
    assert.equal(nearestName('name', []), undefined);
  });
});
