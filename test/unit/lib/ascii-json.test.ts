import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatAsciiJson } from '../../../src/lib/ascii-json.js';

describe('formatAsciiJson', () => {
  it('escapes what is not printable ASCII, and is JSON of the same value', () => {
    assert.equal(formatAsciiJson('a"\u007f\u010a\u{1f600}'), '"a\\"\\u007f\\u010a\\ud83d\\ude00"');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = formatAsciiJson({ [text]: [text] });
        assert.match(json, /^[ -~]*$/);
        assert.equal(
          json === '' ? '' : JSON.stringify(JSON.parse(json)),
          JSON.stringify({ [text]: [text] }),
        );
      }),
    );
  });
});
