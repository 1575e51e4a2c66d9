import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDirectoryUrl, parseServerUrl } from '../../../src/acme/server-url.js';

const HTTPS = new URL('https://ca.example/dir');
const LOOPBACK = new URL('http://127.0.0.1:14000/dir');

describe('parseDirectoryUrl', () => {
  it('takes https, and http on loopback', () => {
    for (const text of [
      'https://ca.example/dir',
      'http://localhost/dir',
      'http://127.0.0.1:80/dir',
      'http://[::1]:14000/dir',
    ]) {
      assert.equal(parseDirectoryUrl(text).href, new URL(text).href);
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
      assert.throws(() => parseDirectoryUrl(text), { code: 'ACME_INVALID' }, text);
    }
  });
});

describe('parseServerUrl', () => {
  it('takes https of any host', () => {
    assert.equal(parseServerUrl('https://other.example/x', HTTPS, 'x').host, 'other.example');
  });

  it('takes http on loopback from a directory that came over http on loopback only', () => {
    assert.equal(parseServerUrl('http://127.0.0.1/x', LOOPBACK, 'x').pathname, '/x');
    assert.throws(() => parseServerUrl('http://127.0.0.1/x', HTTPS, 'x'), { code: 'ACME_INVALID' });
    assert.throws(() => parseServerUrl('http://ca.example/x', LOOPBACK, 'x'), {
      code: 'ACME_INVALID',
    });
  });

  it('shows no control characters of a hostile URL', () => {
    assert.throws(
      () => parseServerUrl('javascript:\u001b[31m', HTTPS, 'finalize'),
      (error: Error) => !error.message.includes('\u001b') && error.message.startsWith('finalize'),
    );
  });
});
