import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readWebUrl } from '../../../src/lib/web-url.js';

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
