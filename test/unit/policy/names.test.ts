import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalText, readName } from '../../../src/policy/names.js';

/** The one spelling, or why there is none. */
function read(type: string, value: string): string {
  const reading = readName({ type, value });
  return 'name' in reading ? canonicalText(reading.name) : reading.problem;
}

describe('readName', () => {
  for (const [type, value, expected] of [
    ['dns', 'www.example.org', 'dns:www.example.org'],
    ['dns', 'WWW.Example.ORG.', 'dns:www.example.org'],
    ['dns', '*.Example.org', 'dns:*.example.org'],
    ['dns', 'localhost', 'dns:localhost'],
    ['dns', 'r3---sn-a.example.org', 'dns:r3---sn-a.example.org'],
    ['dns', 'xn--bcher-kva.example', 'dns:xn--bcher-kva.example'],
    ['dns', 'XN--Bcher-KVA.example', 'dns:xn--bcher-kva.example'],
    ['dns', `${'a'.repeat(63)}.example`, `dns:${'a'.repeat(63)}.example`],
    ['ip', '192.0.2.7', 'ip:4:c0000207'],
    ['ip', '2001:DB8::0:7', 'ip:6:20010db8000000000000000000000007'],
    ['ip', '::1', 'ip:6:1'],
    ['ip', '::', 'ip:6:0'],
    ['ip', '1::', `ip:6:1${'0'.repeat(28)}`],
  ] as const) {
    it(`takes ${type} ${value}`, () => {
      assert.equal(read(type, value), expected);
    });
  }

  it('takes a name of 253 characters, with a final dot or not, and none longer', () => {
    const longest = `${'a'.repeat(61)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`;
    assert.equal(longest.length, 253);
    assert.equal(read('dns', longest), `dns:${longest}`);
    assert.equal(read('dns', `${longest}.`), `dns:${longest}`);
    assert.equal(read('dns', `a${longest}`), 'it is too long');
  });

  it('takes two spellings of an address for one', () => {
    assert.equal(read('ip', '2001:db8:0:0::7'), read('ip', '2001:0DB8::7'));
  });

  for (const [type, value, problem] of [
    ['DNS', 'www.example.org', /types dns and ip/],
    ['dns ', 'www.example.org', /types dns and ip/],
    ['email', 'a@example.org', /types dns and ip/],
    ['permanent-identifier', 'x', /types dns and ip/],
    ['dns', '', /letters, digits/],
    ['dns', '.', /letters, digits/],
    ['dns', 'a..example', /letters, digits/],
    ['dns', '.example', /letters, digits/],
    ['dns', 'example.org..', /letters, digits/],
    ['dns', '-a.example', /letters, digits/],
    ['dns', 'a-.example', /letters, digits/],
    ['dns', 'a_b.example', /letters, digits/],
    ['dns', '*', /letters, digits/],
    ['dns', '*.', /letters, digits/],
    ['dns', '**.example.org', /letters, digits/],
    ['dns', '*.*.example.org', /letters, digits/],
    ['dns', 'a.*.example.org', /letters, digits/],
    ['dns', 'a*.example.org', /letters, digits/],
    ['dns', `${'a'.repeat(64)}.example`, /letters, digits/],
    ['dns', `${'a.'.repeat(126)}ab`, /too long/],
    ['dns', '192.0.2.7', /number/],
    ['dns', 'a.example.1', /number/],
    ['dns', 'bücher.example', /A-labels/],
    ['dns', 'еxample.org', /A-labels/],
    ['dns', 'example。org', /A-labels/],
    ['dns', 'www.example.org\u0000.evil.example', /A-labels/],
    ['dns', 'www.example.org ', /A-labels/],
    ['dns', 'www.example.org\n', /A-labels/],
    ['dns', 'xn--admin-.example', /letters, digits/],
    ['dns', 'xn--a.example', /no A-label/],
    ['dns', 'xn---2vu36j.example', /no A-label/], // decodes to the same as xn--2vu36j
    ['dns', 'xn--.example', /letters, digits/],
    ['dns', 'a.xn--zzzzzzz99999', /no A-label/],
    ['ip', '192.0.2', /not an IP address/],
    ['ip', '192.0.2.07', /not an IP address/],
    ['ip', '0xc0.0.2.7', /not an IP address/],
    ['ip', '192.0.2.7/32', /not an IP address/],
    ['ip', '[::1]', /not an IP address/],
    ['ip', 'fe80::1%eth0', /not an IP address/],
    ['ip', 'www.example.org', /not an IP address/],
    ['ip', '::ffff:192.0.2.7', /inside an IPv6/],
    ['ip', '::ffff:c000:207', /inside an IPv6/],
  ] as const) {
    it(`refuses ${type} ${JSON.stringify(value)}`, () => {
      assert.match(read(type, value), problem);
    });
  }
});
