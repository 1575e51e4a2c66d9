import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseUrl, readWebUrl } from '../../../src/lib/web-url.js';

describe('readWebUrl', () => {
  it('takes https, and http on loopback', () => {
    for (const text of [
      'https://ca.example/dir',
      'http://localhost/dir',
      'http://127.0.0.1:80/dir',
      'http://[::1]:14000/dir',
    ]) {
      assert.deepEqual(readWebUrl(text, true), { url: new URL(text) });
    }
  });

  it('refuses everything else', () => {
    for (const text of [
      '',
      'ca.example/dir',
      'http://ca.example/dir',
      'http://127.0.0.1.example/dir',
      'http://localhost.example/dir',
      'ftp://ca.example/',
      'file:///etc/passwd',
      'https://user@ca.example/',
      'https://user:secret@ca.example/',
      'https://ca.example/#part',
      `https://ca.example/${'a'.repeat(2048)}`,
    ]) {
      assert.ok('problem' in readWebUrl(text, true), text);
    }
  });

  it('takes no clear text where that is not allowed', () => {
    assert.ok('problem' in readWebUrl('http://127.0.0.1/', false));
  });
});

describe('parseUrl', () => {
  it('reads a text beyond ASCII alike in every call, compiled or not', () => {
    const hosts = new Set<string | undefined>();
    for (let call = 0; call < 50_000; call += 1) {
      hosts.add(parseUrl('https://ca.examplé/')?.hostname);
    }
    assert.deepEqual([...hosts], ['ca.xn--exampl-gva']);
    assert.equal(parseUrl('no URL'), undefined);
    assert.equal(parseUrl('/a', 'https://ca.example/b/')?.href, 'https://ca.example/a');
  });
});
