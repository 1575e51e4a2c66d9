import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allowsName, deniesName, parseNamePattern } from '../../../src/policy/name-pattern.js';
import { readName, type Name } from '../../../src/policy/names.js';
import { appErrorOf } from '../../support/app-error.js';

function nameOf(text: string): Name {
  const reading = readName({ type: /^[\d.]+$|:/.test(text) ? 'ip' : 'dns', value: text });
  assert.ok('name' in reading, text);
  return reading.name;
}

/** Pattern, names it allows, names it does not. */
const PATTERNS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  [
    'www.example.org',
    ['www.example.org', 'WWW.example.ORG.'],
    ['example.org', 'a.www.example.org', '*.example.org', '*.www.example.org', 'wwwxexample.org'],
  ],
  [
    '*.example.org',
    ['a.example.org', '*.example.org'],
    ['example.org', 'a.b.example.org', '*.b.example.org', 'aexample.org', '*.org', '192.0.2.1'],
  ],
  [
    '**.example.org',
    ['a.example.org', 'a.b.example.org', '*.example.org', '*.b.example.org'],
    ['example.org', 'aexample.org', 'a.example.net', '*.org', '*.aexample.org'],
  ],
  ['**', ['a.example', 'localhost', '*.org'], ['192.0.2.1', '2001:db8::1']],
  ['Bücher.Example.', ['xn--bcher-kva.example'], ['bucher.example']],
  ['*.BÜCHER.example', ['a.xn--bcher-kva.example'], ['xn--bcher-kva.example']],
  ['xn--BCHER-kva.example', ['xn--bcher-kva.example'], ['bcher-kva.example']],
  ['192.0.2.7', ['192.0.2.7'], ['192.0.2.8', '2001:db8::1', '::c000:207']],
  ['192.0.2.0/24', ['192.0.2.0', '192.0.2.255'], ['192.0.3.0', '192.0.1.255', '::c000:200']],
  ['192.0.2.128/25', ['192.0.2.128', '192.0.2.255'], ['192.0.2.127']],
  ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::', '2001:db8::1', 'a.example']],
  ['2001:db8::/32', ['2001:db8::', '2001:db8:ffff::1'], ['2001:db9::', '32.1.13.184']],
  ['2001:DB8:0::7', ['2001:db8::7'], ['2001:db8::8']],
  ['::/0', ['::', 'ffff::'], ['0.0.0.0']],
];

describe('a pattern', () => {
  for (const [text, allowed, refused] of PATTERNS) {
    it(`${text} allows ${allowed.join(', ')} and nothing else`, () => {
      const pattern = parseNamePattern(text);
      for (const name of allowed) {
        assert.equal(allowsName(pattern, nameOf(name)), true, name);
        assert.equal(deniesName(pattern, nameOf(name)), true, name);
      }
      for (const name of refused) {
        assert.equal(allowsName(pattern, nameOf(name)), false, name);
      }
    });
  }

  it('that denies a name denies the wildcard that covers it', () => {
    const pattern = parseNamePattern('admin.example.org');
    assert.equal(deniesName(pattern, nameOf('*.example.org')), true);
    for (const name of ['*.admin.example.org', '*.org', '*.xexample.org', 'example.org']) {
      assert.equal(deniesName(pattern, nameOf(name)), false, name);
    }
    assert.equal(deniesName(parseNamePattern('localhost'), nameOf('*.org')), false);
  });

  for (const [text, problem] of [
    ['', /letters, digits/],
    ['*', /no label of its own/],
    ['***', /no label of its own/],
    ['*example.org', /no label of its own/],
    ['**example.org', /no label of its own/],
    ['*.', /letters, digits/],
    ['*.*.example.org', /neither a pattern/],
    ['***.example.org', /no label of its own/],
    ['a.*.example.org', /neither a pattern/],
    ['a*.example.org', /neither a pattern/],
    ['.example.org', /letters, digits/],
    ['example..org', /letters, digits/],
    ['-a.example', /letters, digits/],
    ['a_b.example', /neither a pattern/],
    ['a b.example', /neither a pattern/],
    ['dns:a.example', /neither a pattern/],
    ['a.example:443', /neither a pattern/],
    ['a\nb.example', /neither a pattern/],
    ['xn--a.example', /A-label/],
    ['ｅxample.org', /stand for themselves/],
    ['a。example', /neither a pattern/],
    ['a\u00adb.example', /neither a pattern/],
    ['①.example', /stand for themselves|neither a pattern/],
    [`${'ü'.repeat(60)}.example`, /stand for themselves|letters, digits/],
    [`${'a.'.repeat(127)}ab`, /too long/],
    ['a'.repeat(301), /neither a pattern/],
    ['a.example.7', /number/],
    ['192.0.2', /number/],
    ['192.0.2.0/33', /longer than \/32/],
    ['2001:db8::/129', /longer than \/128/],
    ['192.0.2.1/24', /behind its prefix/],
    ['2001:db8::1/64', /behind its prefix/],
    ['192.0.2.0/024', /not an IP prefix/],
    ['192.0.2.0/', /not an IP prefix/],
    ['192.0.2.0/24/1', /not an IP prefix/],
    ['example.org/24', /not an IP prefix/],
    ['fe80::1%eth0/64', /not an IP prefix/],
    ['::ffff:192.0.2.0/120', /IPv4 inside IPv6/],
    ['::ffff:192.0.2.7', /IPv4 inside IPv6/],
  ] as const) {
    it(`cannot be ${JSON.stringify(text.slice(0, 40))}`, async () => {
      const error = await appErrorOf(() => parseNamePattern(text), 'POLICY_INVALID');
      assert.match(error.message, problem);
      assert.match(error.message, /^pattern: "/);
    });
  }
});
