import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOid } from '../../../src/x509/der-values.js';
import { bitString, DER, element, objectIdentifier } from '../../../src/x509/der-writer.js';
import { parseDer, TAG } from '../../../src/x509/der.js';

describe('element', () => {
  for (const [length, header] of [
    [0, '0400'],
    [1, '0401'],
    [0x7f, '047f'],
    [0x80, '048180'],
    [0xff, '0481ff'],
    [0x100, '04820100'],
    [0xffff, '0482ffff'],
    [0x10000, '0483010000'],
  ] as const) {
    it(`writes a length of ${length} in its shortest form`, () => {
      const bytes = element(DER.OCTET_STRING, Buffer.alloc(length, 0xaa));
      assert.equal(bytes.subarray(0, header.length / 2).toString('hex'), header);
      assert.equal(bytes.length, header.length / 2 + length);
    });
  }

  it('writes contents one after the other, as the reader reads them', () => {
    const bytes = element(DER.SEQUENCE, element(DER.NULL), element(DER.INTEGER, Buffer.of(5)));
    assert.equal(bytes.toString('hex'), '30050500020105');
    assert.equal(parseDer(bytes, 'x').children.length, 2);
  });

  it('has the tags of X.690', () => {
    assert.deepEqual(
      [DER.INTEGER, DER.BIT_STRING, DER.OCTET_STRING, DER.NULL, DER.OBJECT_IDENTIFIER],
      [TAG.integer, TAG.bitString, TAG.octetString, TAG.null, TAG.oid],
    );
    assert.deepEqual([DER.SEQUENCE, DER.SET], [TAG.sequence, TAG.set]);
  });
});

describe('bitString', () => {
  it('has no unused bits', () => {
    assert.equal(bitString(Buffer.of(1, 2)).toString('hex'), '0303000102');
  });
});

describe('objectIdentifier', () => {
  for (const [dotted, hex] of [
    ['2.5.29.17', '0603551d11'],
    ['1.2.840.113549.1.9.14', '06092a864886f70d01090e'],
    ['1.3.101.112', '06032b6570'],
    ['1.2.127', '06022a7f'],
    ['1.2.128', '06032a8100'],
    ['1.2.16384', '06042a818000'],
    ['2.48', '06028100'],
  ] as const) {
    it(`writes ${dotted}`, () => {
      const bytes = objectIdentifier(dotted);
      assert.equal(bytes.toString('hex'), hex);
      assert.equal(parseOid(parseDer(bytes, 'x'), 'x'), dotted);
    });
  }
});
