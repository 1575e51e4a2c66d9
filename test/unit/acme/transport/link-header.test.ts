import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { linkTargets } from '../../../../src/acme/transport/link-header.js';

const BASE = new URL('https://ca.example/acme/cert/1');

function alternates(...values: string[]): readonly string[] {
  return linkTargets(values, 'alternate', BASE);
}

describe('linkTargets', () => {
  it('finds the links of a relation, in one header or in several', () => {
    const links = [
      '<https://ca.example/dir>;rel="index"',
      '<https://ca.example/2>;rel="alternate"',
    ];
    assert.deepEqual(alternates(...links), ['https://ca.example/2']);
    assert.deepEqual(alternates(links.join(', ')), ['https://ca.example/2']);
    assert.deepEqual(linkTargets(links, 'index', BASE), ['https://ca.example/dir']);
  });

  it('reads relations as RFC 8288 writes them', () => {
    for (const parameters of [
      'rel=alternate',
      'REL="Alternate"',
      'title="a, b; rel=\\"x\\""; rel="alternate"',
      'rel = "up alternate"',
      'type="application/pem-certificate-chain";rel="alternate";x=1',
    ]) {
      assert.deepEqual(alternates(`</2> ; ${parameters}`), ['https://ca.example/2'], parameters);
    }
  });

  it('resolves relative targets against the request', () => {
    assert.deepEqual(alternates('<2/alt>;rel="alternate"'), ['https://ca.example/acme/cert/2/alt']);
  });

  it('passes over what is none of them', () => {
    for (const value of [
      '',
      'https://ca.example/2; rel="alternate"',
      '<https://ca.example/2>',
      '<https://ca.example/2>; rel="alternates"',
      '<https://ca.example/2>; rev="alternate"',
      '<https://[>; rel="alternate"',
    ]) {
      assert.deepEqual(alternates(value), [], value);
    }
  });

  it('takes a bounded number, from text of bounded length, in little time', () => {
    const many = Array.from({ length: 1000 }, (_, at) => `</${at}>;rel="alternate"`);
    assert.equal(alternates(many.join(',')).length, 0);
    assert.equal(alternates(...many).length, 32);
    const started = process.cpuUsage().user;
    for (const hostile of [
      '<a>;"'.repeat(3_000),
      '<a>' + ';a="'.repeat(4_000),
      '<'.repeat(16_000),
    ]) {
      alternates(hostile);
    }
    assert.ok(process.cpuUsage().user - started < 1_000_000);
  });
});
