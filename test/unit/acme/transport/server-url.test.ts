import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseServerUrl } from '../../../../src/acme/transport/server-url.js';

const HTTPS = new URL('https://ca.example/dir');
const LOOPBACK = new URL('http://127.0.0.1:14000/dir');

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
