import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ERRORS_LINE,
  EXTENSIONS,
  MAX_LINE_BYTES,
  MAX_PIPELINED_REQUESTS,
  PING_LINE,
  PONG_LINE,
  PROTOCOL_VERSION,
} from '../../../src/protocol/limits.js';
import { formatNotice, NOTICE_CODES } from '../../../src/protocol/notice.js';
import { REFUSAL_CODES } from '../../../src/protocol/refusal.js';

describe('formatNotice', () => {
  it('is one line of ASCII', () => {
    const text = formatNotice({ code: 'waiting', detail: 'touch\r\nthe täoken' });
    assert.equal(text, String.raw`!notice {"code":"waiting","detail":"touch\r\nthe t\u00e4oken"}`);
  });
});

describe('the words and limits that docs/protocol.md promises', () => {
  it('are these', () => {
    assert.deepEqual([PROTOCOL_VERSION, MAX_LINE_BYTES, MAX_PIPELINED_REQUESTS], [1, 32_768, 32]);
    assert.deepEqual([...EXTENSIONS], ['errors', 'ping']);
    assert.deepEqual([ERRORS_LINE, PING_LINE, PONG_LINE], ['!errors', '!ping', '!pong']);
    assert.deepEqual([...NOTICE_CODES], ['waiting']);
    assert.deepEqual(
      [...REFUSAL_CODES],
      [
        ...['denied', 'rate-limited', 'malformed', 'busy'],
        ...['token-absent', 'token-locked', 'timeout', 'internal'],
      ],
    );
  });
});
