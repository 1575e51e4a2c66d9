import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkUrl, originOf, parseServer } from '../../../src/policy/request-url.js';

describe('checkUrl', () => {
  for (const url of [
    'https://ca.example/x',
    'https://ca.example:14000/order/1?x=y&z=%20',
    'https://[::1]:14000/x',
    'https://CA.Example:443/x',
    'https://192.0.2.1/x',
    'https://ca.example/~a/b_c-d;e=f',
  ]) {
    it(`takes ${url}`, () => {
      assert.equal(checkUrl(url, false), undefined);
    });
  }

  for (const url of [
    'http://ca.example/x',
    'https:ca.example/x',
    'https:///x',
    'HTTPS://ca.example/x',
    'ftp://ca.example/x',
    '/x',
    'https://user@ca.example/x',
    'https://user:pw@ca.example/x',
    'https://@ca.example/x',
    'https://ca.example/x#y',
    'https://ca.example/x#',
    'https://ca.example\\@evil.example/x',
    'https://ca.example/a b',
    'https://ca.example/\n',
    'https://cä.example/x',
    ' https://ca.example/x',
    'https://ca.example:99999/x',
    'https://%63a.example/x',
    'https://ca.example%2eevil.example/x',
    'https://ca.example./x',
    'https://127.1/x',
    'https://2130706433/x',
    'http://0x7f.0.0.1/x',
    'http://127.0.0.1./x',
  ]) {
    it(`refuses ${JSON.stringify(url)}`, () => {
      assert.notEqual(checkUrl(url, true), undefined);
    });
  }

  for (const url of ['http://127.0.0.1:8080/x', 'http://[::1]/x', 'http://localhost/x']) {
    it(`takes ${url} only when told`, () => {
      assert.notEqual(checkUrl(url, false), undefined);
      assert.equal(checkUrl(url, true), undefined);
    });
  }

  for (const url of [
    'http://127.0.0.1.evil.example/x',
    'http://localhost.example/x',
    'http://10.0.0.1/x',
  ]) {
    it(`refuses ${url} even then`, () => {
      assert.notEqual(checkUrl(url, true), undefined);
    });
  }
});

describe('originOf', () => {
  it('folds case and the default port', () => {
    assert.equal(originOf('https://CA.example:443/x'), 'https://ca.example');
    assert.equal(originOf('nonsense'), undefined);
  });
});

describe('parseServer', () => {
  it('gives the origin', () => {
    assert.equal(parseServer('https://CA.example'), 'https://ca.example');
    assert.equal(parseServer('https://ca.example:14000/'), 'https://ca.example:14000');
    assert.equal(parseServer('http://127.0.0.1:8080'), 'http://127.0.0.1:8080');
  });

  for (const text of [
    ...['', 'ca.example', 'http://ca.example', 'https://ca.example/x', 'https://ca.example?x'],
    ...['https://ca.example/a//b', 'https://ca.example//', 'https://a@ca.example'],
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseServer(text), {
        code: 'POLICY_INVALID',
        message: `server: "${text}" is not an origin such as https://ca.example:14000`,
      });
    });
  }
});
