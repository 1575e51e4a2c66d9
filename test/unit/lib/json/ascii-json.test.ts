import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatAsciiJson } from '../../../../src/lib/json/ascii-json.js';
import { parseStrictJson } from '../../../../src/lib/json/strict-json.js';

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

  it('writes nothing that the strict reader would not take', () => {
    assert.equal(formatAsciiJson({ detail: 'a\ud83d' }), '{"detail":"a\\ufffd"}');
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
        }),
        (text) => {
          const read = parseStrictJson(Buffer.from(formatAsciiJson([text])));
          assert.deepEqual(read, [text.replace(/\p{Surrogate}/gu, '\ufffd')]);
        },
      ),
    );
  });
});
