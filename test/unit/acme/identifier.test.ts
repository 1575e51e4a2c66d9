import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isSameIdentifierSet,
  nameProblem,
  parseIdentifiers,
} from '../../../src/acme/identifier.js';
import { AppError } from '../../../src/lib/errors.js';

describe('a name', () => {
  const good: readonly (readonly [string, 'dns' | 'ip', string])[] = [
    ['example.org', 'dns', 'example.org'],
    ['WWW.Example.ORG.', 'dns', 'www.example.org'],
    ['bücher.example', 'dns', 'xn--bcher-kva.example'],
    ['faß.example', 'dns', 'xn--fa-hia.example'],
    ['xn--bcher-kva.example', 'dns', 'xn--bcher-kva.example'],
    ['例え。テスト', 'dns', 'xn--r8jz45g.xn--zckzah'],
    ['1.example', 'dns', '1.example'],
    ['192.0.2.7', 'ip', '192.0.2.7'],
    ['2001:DB8:0:0:0:0:0:7', 'ip', '2001:db8::7'],
    ['::1', 'ip', '::1'],
  ];
  for (const [text, type, value] of good) {
    it(`takes ${text}`, () => {
      assert.deepEqual(parseIdentifiers([text]), [{ type, value }]);
      assert.equal(nameProblem(text), undefined);
    });
  }

  for (const text of [
    '',
    '.',
    'localhost',
    'example..org',
    '-a.example.org',
    'a-.example.org',
    'a_b.example.org',
    'a b.example.org',
    'a.example.org/path',
    'http://a.example.org',
    'a.example.org:80',
    'a@example.org',
    'a.example.org\n',
    'a%2eexample.org',
    '192.0.2',
    '192.0.2.256',
    '0x7f.1',
    '2001:db8::7%eth0',
    `${'a'.repeat(64)}.example`,
    `${'abcdefgh.'.repeat(30)}example`,
  ]) {
    it(`refuses ${JSON.stringify(text).slice(0, 40)}`, () => {
      assert.throws(() => parseIdentifiers([text]), { code: 'CONFIG_USAGE' });
      assert.match(nameProblem(text) ?? '', /^is (?:neither a|not a)/);
    });
  }

  it('explains why a wildcard cannot be', () => {
    assert.throws(
      () => parseIdentifiers(['*.example.org']),
      (error: unknown) => error instanceof AppError && /http-01/.test(error.hint ?? ''),
    );
    assert.equal(
      nameProblem('*.example.org'),
      'is a wildcard (http-01 cannot prove a wildcard: name each host)',
    );
  });
});

describe('parseIdentifiers', () => {
  it('drops repetitions, whatever their spelling, and keeps the order', () => {
    const names = parseIdentifiers(['b.example', 'a.example', 'B.Example', 'a.example.']);
    assert.deepEqual(
      names.map(({ value }) => value),
      ['b.example', 'a.example'],
    );
  });
});

describe('isSameIdentifierSet', () => {
  const a = { type: 'dns', value: 'a.example' };
  const b = { type: 'dns', value: 'b.example' };
  it('ignores order, repetition and case', () => {
    assert.equal(isSameIdentifierSet([a, b], [b, { ...a, value: 'A.example' }, b]), true);
  });

  it('sees a missing, an additional and a retyped one', () => {
    assert.equal(isSameIdentifierSet([a, b], [a]), false);
    assert.equal(isSameIdentifierSet([a], [a, b]), false);
    assert.equal(isSameIdentifierSet([a], [{ type: 'ip', value: 'a.example' }]), false);
  });
});
