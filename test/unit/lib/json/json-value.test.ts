import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJsonObject, jsonMember } from '../../../../src/lib/json/json-value.js';

describe('isJsonObject', () => {
  it('is true for objects alone', () => {
    assert.equal(isJsonObject({}), true);
    for (const value of [null, undefined, [], 'a', 1, true]) {
      assert.equal(isJsonObject(value), false, JSON.stringify(value));
    }
  });
});

describe('jsonMember', () => {
  it('finds own members alone', () => {
    assert.equal(jsonMember({ a: 1 }, 'a'), 1);
    assert.equal(jsonMember({ a: 1 }, 'b'), undefined);
    assert.equal(jsonMember({}, 'constructor'), undefined);
  });
});
