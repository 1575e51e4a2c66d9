// The name of a token in messages, which holds what the token says of itself.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nameOfToken } from '../../../../src/keys/pin/token-name.js';

describe('the name of a token', () => {
  it('has label and serial number, with all that a terminal would obey escaped', () => {
    assert.equal(nameOfToken({ label: 'acme', serial: 'a1' }), 'token "acme" (serial a1)');
    assert.equal(
      nameOfToken({ label: 'a "b"\u009b', serial: '\u001b[2J' }),
      'token "a \\"b\\"\\u009b" (serial \\u001b[2J)',
    );
  });
});
