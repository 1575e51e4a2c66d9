// JSON of any shape: what is taken has one reading, the same as that of a slow and simple reader;
// all else is refused with one and the same error.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../src/lib/errors.js';
import type { JsonValue } from '../../src/lib/json/json-value.js';
import { parsePatientJson } from '../../src/lib/json/patient-json.js';
import {
  MAX_JSON_DEPTH,
  parseStrictJson,
  parseStrictJsonWithDecimals,
} from '../../src/lib/json/strict-json.js';
import { fuzzed } from '../support/attack/fuzz.js';
import { anyLiteral, goodJson, mutatedBytes, nearlyJson } from '../support/attack/json-text.js';
import { platformReading } from '../support/attack/json-parse.js';
import { naiveReading, type NumberKind } from '../support/attack/naive-json.js';

type Reading = { readonly value: JsonValue } | undefined;

const strictly = (bytes: Uint8Array): Reading => readingBy(parseStrictJson, bytes);
const withDecimals = (bytes: Uint8Array): Reading => readingBy(parseStrictJsonWithDecimals, bytes);
const patiently = (bytes: Uint8Array): Reading => readingBy(parsePatientJson, bytes);

/** The value, or undefined when the bytes are refused; any other error fails the test. */
function readingBy(parse: (bytes: Uint8Array) => JsonValue, bytes: Uint8Array): Reading {
  try {
    return { value: parse(bytes) };
  } catch (error) {
    assert.ok(isAppError(error, 'LIB_JSON'), String(error));
    return undefined;
  }
}

function naively(
  bytes: Uint8Array,
  kinds: readonly NumberKind[] = ['integers'],
): { readonly value: unknown } | undefined {
  const reading = naiveReading(bytes);
  return reading === undefined || reading.depth > MAX_JSON_DEPTH || !kinds.includes(reading.numbers)
    ? undefined
    : { value: reading.value };
}

/**
 * What JSON.parse, or the simple reader where that is not sound, says of bytes in which all is let
 * pass that can be.
 */
function patientOracle(bytes: Uint8Array): { readonly value: unknown } | undefined {
  const naive = naiveReading(bytes, true);
  const simple = naive === undefined ? undefined : { value: naive.value };
  const platform = platformReading(new TextDecoder().decode(bytes), simple);
  const reading = platform === undefined ? undefined : { value: wellFormed(platform.value) };
  assert.deepEqual(reading, simple);
  return reading;
}

/**
 * Every text in it with U+FFFD for lone surrogates. Two names that become one are one member, the
 * last.
 */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.replace(/\p{Surrogate}/gu, '\ufffd');
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return Array.isArray(value)
    ? value.map(wellFormed)
    : Object.fromEntries(
        Object.entries(value).map(([name, each]) => [wellFormed(name), wellFormed(each)]),
      );
}

function assertRefused(text: string): void {
  assert.equal(strictly(Buffer.from(text)), undefined, text);
}

/** All readers on all bytes; some, but not all of them must be taken, or nothing was shown. */
function assertSameReadings(bytes: fc.Arbitrary<Uint8Array>, runs: number): void {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(bytes, (each) => {
      const strict = strictly(each);
      assert.deepEqual(strict, naively(each));
      assert.deepEqual(withDecimals(each), naively(each, ['integers', 'decimals']));
      assert.deepEqual(patiently(each), patientOracle(each));
      seen[strict === undefined ? 'refused' : 'taken'] += 1;
    }),
    fuzzed(runs),
  );
  assert.ok(seen.taken > runs / 20 && seen.refused > runs / 20, JSON.stringify(seen));
}

const bytesOf = (text: string): Buffer => Buffer.from(text);
/** What a text may stand in: the hole is where `@` is. */
const wrapping = fc
  .array(fc.constantFrom('[@]', '[1,@]', '{"x":@}', '{"x":{"a":1},"y":@}', ' [{"a":@,"b":2} ]'), {
    maxLength: 6,
  })
  .map((layers) => layers.reduce((outer, layer) => outer.replace('@', layer), '@'));

describe('the JSON reader', () => {
  it('reads what has one reading, and reads its own writing the same', () => {
    fc.assert(
      fc.property(goodJson, (text) => {
        const { value } = strictly(bytesOf(text)) ?? assert.fail(text);
        assert.deepEqual({ value }, platformReading(text, { value }));
        assert.deepEqual(value, naiveReading(bytesOf(text))?.value);
        const canonical = JSON.stringify(value);
        assert.equal(JSON.stringify(strictly(bytesOf(canonical))?.value), canonical);
      }),
      fuzzed(500),
    );
  });

  it('takes what a simple reader takes, as it does, and nothing else', () => {
    assertSameReadings(nearlyJson.map(bytesOf), 1000);
  });

  it('does so after any few bytes are changed', () => {
    assertSameReadings(mutatedBytes(nearlyJson.map(bytesOf)), 1500);
  });

  it('does so with any few bytes inside a string', () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 3 }).map(bytesOf),
      fc
        .array(fc.constantFrom(0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xa0, 0xf0, 0x90, 0xf4), {
          maxLength: 4,
        })
        .map((list) => Buffer.from(list)),
    );
    const quoted = octets.map((each) => Buffer.concat([bytesOf('["'), each, bytesOf('"]')]));
    assertSameReadings(quoted, 1000);
  });

  it('refuses a member twice, however deep and however it is spelled', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 5 });
    const twice = name.chain((each) => fc.tuple(anyLiteral(each), anyLiteral(each)));
    fc.assert(
      fc.property(wrapping, twice, goodJson, (outer, [one, other], value) => {
        const inside = (text: string): string => outer.replace('@', () => text);
        assertRefused(inside(`{${one}:1,${other}:${value}}`));
        assertRefused(inside(`{${one}:${value},"another name":[],${other}:1}`));
        assert.ok(strictly(bytesOf(inside(`{${one}:{${other}:1}}`))));
      }),
      fuzzed(500),
    );
  });

  it('refuses anything before and after the value but white space', () => {
    const noise = fc.oneof(
      fc.constantFrom('\ufeff', '\0', '\v', '\f', '\u00a0', '\u2028', ',', '}', ']', '//', '1'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
    );
    fc.assert(
      fc.property(goodJson, noise, (text, each) => {
        fc.pre(!/^[ \t\n\r]*$/.test(each));
        assertRefused(`[${text}]${each}`);
        // Before a list, digits and the like would still be no JSON.
        assertRefused(`${each}[${text}]`);
      }),
      fuzzed(500),
    );
  });

  it('takes the deepest nesting, of whatever kinds, and not one more', () => {
    const layer = fc.constantFrom('[@]', '{"a":@}', '["[",@]', '{"b":0,"a":@}', ' { "[{" : @ } ');
    const layers = fc.array(layer, {
      minLength: MAX_JSON_DEPTH - 4,
      maxLength: 3 * MAX_JSON_DEPTH,
    });
    fc.assert(
      fc.property(layers, fc.constantFrom('1', '"[["', '"{\\"a\\":["'), (list, core) => {
        const text = list.reduce((outer, each) => outer.replace('@', each), '@').replace('@', core);
        assert.equal(strictly(bytesOf(text)) !== undefined, naively(bytesOf(text)) !== undefined);
        assert.equal(strictly(bytesOf(text)) === undefined, list.length > MAX_JSON_DEPTH);
      }),
      fuzzed(300),
    );
  });

  it('takes a number exactly or not at all, and the nearest double when it is patient', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,330})$/);
    const decimals = fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,18}$/));
    const power = fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][-+]?[0-9]{1,3}$/));
    fc.assert(
      fc.property(digits, decimals, power, wrapping, (whole, point, exponent, outer) => {
        const literal = whole + point + exponent;
        const bytes = bytesOf(outer.replace('@', literal));
        assert.deepEqual(strictly(bytes), naively(bytes));
        assert.deepEqual(withDecimals(bytes), naively(bytes, ['integers', 'decimals']));
        assert.deepEqual(patiently(bytesOf(literal)), { value: Number(literal) });
        const exact = withDecimals(bytesOf(literal));
        assert.equal(exact?.value, exact === undefined ? undefined : Number(literal));
      }),
      fuzzed(1000),
    );
  });

  it('reads a text as it is, whatever it has read before', () => {
    fc.assert(
      fc.property(anyLiteral('\\'), anyLiteral('b'), anyLiteral('a'), (odd, plain, first) => {
        strictly(bytesOf(`{${first}:1,${odd}:2}`));
        assert.deepEqual(strictly(bytesOf(`{${first}:1,${plain}:2}`)), { value: { a: 1, b: 2 } });
      }),
      fuzzed(100),
    );
  });

  it('keeps NUL and other escaped control characters in a string as they are', () => {
    const control = fc.integer({ min: 0, max: 0x1f });
    fc.assert(
      fc.property(control, wrapping, (code, outer) => {
        const escaped = `"a\\u${code.toString(16).padStart(4, '0')}b"`;
        const raw = `"a${String.fromCharCode(code)}b"`;
        assert.deepEqual(strictly(bytesOf(escaped)), { value: `a${String.fromCharCode(code)}b` });
        assertRefused(outer.replace('@', () => raw));
      }),
      fuzzed(100),
    );
  });
});
