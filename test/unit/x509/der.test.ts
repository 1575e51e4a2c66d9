// One reading of bytes: DER is read, whatever else BER allows is refused.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_DER_BYTES, parseDer } from '../../../src/x509/der.js';
import { appErrorOf } from '../../support/app-error.js';

const ACCEPTED: Readonly<Record<string, string>> = {
  'an empty sequence': '3000',
  'a sequence of two': '3006 020101 020102',
  'the short length at its end': `047f${'00'.repeat(0x7f)}`,
  'a length of one octet': `048180${'00'.repeat(0x80)}`,
  'a length of two octets': `04820100${'00'.repeat(0x100)}`,
  'zero and negative integers': '3009 020100 0201ff 020180',
  'an integer with a needed sign octet': '02020080',
  'both booleans': '3006 0101ff 010100',
  'an empty bit string': '030100',
  'a bit string with zero padding bits': '030204f0',
  'an object identifier': '06032a8648',
  'a set in order': '3106 020101 020102',
  'context tags of both forms': '3007 8001ff a0020500',
};

const REFUSED: Readonly<Record<string, readonly [hex: string, problem: RegExp]>> = {
  nothing: ['', /ends early/],
  'a tag alone': ['30', /ends early/],
  'a length alone': ['3081', /ends early/],
  'less than the length says': ['0402 00', /ends early/],
  'a child that goes beyond its parent': ['3003 0402 00', /ends early/],
  'bytes behind': ['0500 00', /bytes follow/],
  'the indefinite form': ['3080 0500 0000', /indefinite/],
  'a reserved length': ['04ff', /indefinite or too large/],
  'a length of three octets, which no input can have': ['0483 010000', /ends early/],
  'a long length in a wrong form, before its content is missed': ['0481 01', /shortest/],
  'a length of four octets': ['0484 00000001 00', /indefinite or too large/],
  'a long length where the short form does': ['0481 01 00', /shortest/],
  'a length with a leading zero': [`048200 80${'00'.repeat(0x80)}`, /shortest/],
  'a tag of several octets': ['1f2a00', /a tag of more than one byte/],
  'a constructed string': ['2405 0403 616263', /form that DER does not have/],
  'a primitive sequence': ['1000', /form that DER does not have/],
  'a primitive set': ['1100', /form that DER does not have/],
  'an end of contents': ['0000', /form that DER does not have/],
  'a boolean of another value': ['010101', /value/],
  'a boolean of two octets': ['0102ffff', /value/],
  'an integer of no octet': ['0200', /value/],
  'an integer with a needless zero': ['0202007f', /value/],
  'an integer with a needless sign': ['0202ff80', /value/],
  'a bit string of no octet': ['0300', /value/],
  'a bit string with nine unused bits': ['03020900', /value/],
  'a bit string of unused bits alone': ['030101', /value/],
  'a bit string with padding bits set': ['030204f8', /value/],
  'null with content': ['050100', /value/],
  'an object identifier of no octet': ['0600', /value/],
  'an object identifier with padded arcs': ['06032a8001', /value/],
  'an object identifier that begins padded': ['0602802a', /value/],
  'an object identifier that does not end': ['06022a86', /value/],
  'an enumeration with a needless zero': ['0a0200 01', /value/],
  'a BMPString of half a character': ['1e03 006100', /value/],
  'a UniversalString of half a character': ['1c02 0061', /value/],
  'a set out of order': ['3106 020102 020101', /order/],
  'a set with a member twice': ['3106 020101 020101', /order/],
};

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

describe('parseDer', () => {
  for (const [name, hex] of Object.entries(ACCEPTED)) {
    it(`reads ${name}`, () => {
      const bytes = bytesOf(hex);
      const element = parseDer(bytes, 'input');
      assert.equal(element.tag, bytes[0]);
      assert.deepEqual(Buffer.from(element.bytes), bytes);
      const isConstructed = (element.tag & 0x20) !== 0;
      const inner = Buffer.concat(element.children.map((child) => child.bytes));
      assert.deepEqual(inner, isConstructed ? Buffer.from(element.content) : Buffer.alloc(0));
    });
  }

  for (const [name, [hex, problem]] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, async () => {
      const error = await appErrorOf(() => parseDer(bytesOf(hex), 'input'), 'POLICY_CSR');
      assert.match(error.message, /^input: /);
      assert.match(error.message, problem);
    });
  }

  it('refuses what is nested too deep or made of too many', async () => {
    let nested = Buffer.from('3000', 'hex');
    for (let depth = 0; depth < 24; depth += 1) {
      nested = Buffer.concat([Buffer.of(0x30, nested.length), nested]);
      parseDer(nested, 'input');
    }
    const tooDeep = Buffer.concat([Buffer.of(0x30, nested.length), nested]);
    const depthError = await appErrorOf(() => parseDer(tooDeep, 'input'), 'POLICY_CSR');
    assert.match(depthError.message, /too many/);

    const nulls = (count: number): Buffer => {
      const content = Buffer.alloc(2 * count).fill('0500', 'hex');
      const header = Buffer.from('30820000', 'hex');
      header.writeUInt16BE(content.length, 2);
      return Buffer.concat([header, content]);
    };
    assert.equal(parseDer(nulls(8191), 'input').children.length, 8191);
    const countError = await appErrorOf(() => parseDer(nulls(8192), 'input'), 'POLICY_CSR');
    assert.match(countError.message, /too many/);
  });

  it('refuses more bytes than any request has', async () => {
    const whole = Buffer.alloc(MAX_DER_BYTES);
    whole.set([0x04, 0x82, ...Buffer.from((MAX_DER_BYTES - 4).toString(16), 'hex')]);
    assert.equal(parseDer(whole, 'input').content.length, 32 * 1024 - 4);
    const bytes = Buffer.alloc(MAX_DER_BYTES + 1);
    const error = await appErrorOf(() => parseDer(bytes, 'input'), 'POLICY_CSR');
    assert.match(error.message, /longer than 32768 bytes/);
  });
});
