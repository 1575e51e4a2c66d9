// The rule of each attribute: its part, its padding, and the values at the edge of what it takes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ATTRIBUTE_RULES } from '../../../../src/keys/pkcs11/uri-attributes.js';

function problemOf(name: string, value: string | Buffer): string | undefined {
  const rule = ATTRIBUTE_RULES.get(name);
  assert.ok(rule !== undefined, name);
  return rule.check(Buffer.from(value));
}

const TEXTS = ['token', 'serial', 'manufacturer', 'model', 'object', 'pin-value'] as const;

describe('the attributes of a URI', () => {
  it('stand in the path or in the query, and those of fixed length have padding', () => {
    const rules = [...ATTRIBUTE_RULES];
    const query = rules.filter(([, { part }]) => part === 'query').map(([name]) => name);
    assert.deepEqual(query, ['module-path', 'module-name', 'pin-source', 'pin-value']);
    assert.ok(rules.every(([name, { part }]) => part === 'path' || query.includes(name)));
    const padded = rules.filter(([, { isPadded }]) => isPadded === true).map(([name]) => name);
    assert.deepEqual(padded, [
      ...['token', 'serial', 'manufacturer', 'model', 'slot-description', 'slot-manufacturer'],
      ...['library-manufacturer', 'library-description'],
    ]);
    assert.equal(rules.length, 17);
  });

  it('that are texts are UTF-8 without a NUL, up to 1024 bytes', () => {
    for (const name of TEXTS) {
      assert.equal(problemOf(name, ''), undefined, name);
      assert.equal(problemOf(name, 'é'.repeat(512)), undefined, name);
      assert.equal(problemOf(name, `${'é'.repeat(512)}a`), 'is too long', name);
      assert.equal(problemOf(name, Buffer.from([0xe9])), 'is not UTF-8', name);
      assert.equal(problemOf(name, 'a\0'), 'has a NUL in it', name);
    }
  });

  it('id: has 1 to 256 bytes of any kind', () => {
    assert.equal(problemOf('id', Buffer.alloc(1)), undefined);
    assert.equal(problemOf('id', Buffer.alloc(256, 0xff)), undefined);
    for (const length of [0, 257]) {
      assert.equal(problemOf('id', Buffer.alloc(length)), 'is not 1 to 256 bytes');
    }
  });

  it('slot-id: is a number that is exact', () => {
    for (const value of ['0', '9'.repeat(15)]) {
      assert.equal(problemOf('slot-id', value), undefined);
    }
    for (const value of ['', '9'.repeat(16), '-1', '1 ', 'x1', '1x', '1\n']) {
      assert.equal(problemOf('slot-id', value), 'is not a decimal number', value);
    }
  });

  it('library-version: has one byte for each number', () => {
    for (const value of ['0', '255', '255.255', '2.000']) {
      assert.equal(problemOf('library-version', value), undefined, value);
    }
    for (const value of ['', '256', '1.256', '256.1', '1.', '.1', '1.2.3', '1,2', '0001', ' 1']) {
      assert.equal(problemOf('library-version', value), 'is not MAJOR or MAJOR.MINOR', value);
    }
  });

  it('type: is that of a private key', () => {
    assert.equal(problemOf('type', 'private'), undefined);
    for (const type of ['cert', 'data', 'public', 'secret-key']) {
      const problem = `is "${type}", which cannot sign: only "private" can`;
      assert.equal(problemOf('type', type), problem);
    }
    for (const type of ['', 'PRIVATE', 'private ', 'key']) {
      const problem = 'is not a type of object: only "private" can sign';
      assert.equal(problemOf('type', type), problem);
    }
  });

  it('module-path: is an absolute path without control characters', () => {
    assert.equal(problemOf('module-path', '/usr/lib/my module.so'), undefined);
    for (const [path, problem] of [
      ['', 'is not an absolute path'],
      ['lib.so', 'is not an absolute path'],
      ['/a\u0007', 'has a control character'],
      ['/a\0', 'has a NUL in it'],
      [`/${'a'.repeat(1024)}`, 'is too long'],
    ] as const) {
      assert.equal(problemOf('module-path', path), problem, path);
    }
    assert.equal(problemOf('module-path', Buffer.from([0x2f, 0xe9])), 'is not UTF-8');
  });

  it('module-name: is a name that can be no path', () => {
    for (const name of ['a', 'softhsm2', 'p11-kit_proxy', 'a'.repeat(31)]) {
      assert.equal(problemOf('module-name', name), undefined, name);
    }
    for (const name of ['', '-a', '_a', 'a.so', 'a/b', 'a'.repeat(32), 'é', 'a\n']) {
      assert.equal(problemOf('module-name', name), 'is not a module name', name);
    }
  });

  it('pin-source: has no control character', () => {
    assert.equal(problemOf('pin-source', 'file:/etc/pin'), undefined);
    assert.equal(problemOf('pin-source', '|cat\n'), 'has a control character');
  });
});
