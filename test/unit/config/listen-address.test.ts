import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseListenAddress } from '../../../src/config/listen-address.js';

describe('parseListenAddress', () => {
  const good: readonly (readonly [string, string | undefined, number])[] = [
    [':80', undefined, 80],
    ['*:8080', undefined, 8080],
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['[::1]:80', '::1', 80],
    ['[2001:db8::1]:65535', '2001:db8::1', 65_535],
  ];
  for (const [text, host, port] of good) {
    it(text, () => {
      assert.deepEqual(parseListenAddress(text), { host, port });
    });
  }

  for (const text of [
    '',
    '80',
    ':0',
    ':65536',
    ':',
    '::1:80',
    'host:80',
    '[127.0.0.1]:80',
    '[]:80',
    '1.2.3:80',
    ':80 ',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseListenAddress(text), { code: 'CONFIG_INVALID' });
    });
  }
});
