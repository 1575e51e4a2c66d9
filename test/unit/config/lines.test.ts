import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lineOfKey } from '../../../src/config/lines.js';

const TEXT = `privkey = "x"
# socket = "no"
"quiet" = true

[account.web]
privkey = "y"
keyid = "z"

[[listen]]
socket = "/a"

[[listen]]
socket = "/b" # mode = "0600"
mode = "0660"

[policy.web]
identifiers = ["a",
  "b"]
deny.identifiers = ["c"]

[policy.web.validity]
max = "1d"

[other.below]
x = 1
`;

describe('lineOfKey', () => {
  for (const [key, line] of [
    ['privkey', 1],
    ['quiet', 3],
    ['socket', undefined],
    ['account.web', 5],
    ['account.web.privkey', 6],
    ['account.web.keyid', 7],
    ['account.web.gpg', 5],
    ['account', 5],
    ['listen.0', 9],
    ['listen.0.socket', 10],
    ['listen.0.mode', 9],
    ['listen.1.socket', 13],
    ['listen.1.mode', 14],
    ['policy.web.identifiers.1', 17],
    ['policy.web.deny.identifiers.0', 19],
    ['policy.web.validity.max', 22],
    ['policy.web.validity.ahead', 21],
    ['policy.api', undefined],
    ['other', 24],
    ['nowhere', undefined],
  ] as const) {
    it(`finds ${key} at ${String(line)}`, () => {
      assert.equal(lineOfKey(TEXT, key), line);
    });
  }
});
