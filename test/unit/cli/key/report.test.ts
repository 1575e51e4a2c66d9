// What the key commands print: what tokens say is escaped, and URIs lead back to the key.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatKeyReport,
  formatTokenTable,
  reportOfKey,
  reportOfToken,
  reportOfTokenKey,
} from '../../../../src/cli/key/report.js';
import { jwkOfKey, jwkThumbprint } from '../../../../src/jose/public-jwk.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import type { KeyInfo, TokenInfo } from '../../../../src/token/messages.js';
import { makeKey } from '../../../support/keys/keys.js';

const TOKEN: TokenInfo = {
  label: 'a b\u001b[2J',
  serial: '0;1',
  manufacturer: 'm',
  model: 'x',
  slotId: 7,
  initialized: true,
  loginRequired: true,
  pinState: 'ok',
};
const KEY: KeyInfo = { label: 'k=1', id: '0aff', hasPrivate: true, type: 'P-256' };
const jwk = jwkOfKey(makeKey('ES256').publicKey);
const FOUND = { token: TOKEN, key: KEY, jwk, privateHalf: 'present' } as const;

describe('report of a key', () => {
  it('names the key by a URI that leads back to it, without its PIN', () => {
    const source = parsePkcs11Uri('pkcs11:?module-path=/m.so&pin-value=4711');
    const report = reportOfTokenKey({ ...FOUND, token: TOKEN }, source);
    assert.doesNotMatch(JSON.stringify(report), /4711/);
    const uri = parsePkcs11Uri(report.uri);
    assert.deepEqual(uri.key, { label: 'k=1', id: '0aff' });
    assert.deepEqual([uri.token.label, uri.token.serial], ['a b\u001b[2J', '0;1']);
    assert.equal(uri.modulePath, '/m.so');
    assert.equal(report.thumbprint, jwkThumbprint(jwk));
  });

  it('leaves out what the token leaves empty', () => {
    const token = { ...TOKEN, label: '', serial: '' };
    const source = parsePkcs11Uri('pkcs11:?module-name=softhsm2');
    const { uri } = reportOfTokenKey({ ...FOUND, token, key: { ...KEY, id: '' } }, source);
    assert.equal(uri, 'pkcs11:object=k%3D1?module-name=softhsm2');
  });

  it('names a key by its ID alone when only its public half was seen', () => {
    const source = parsePkcs11Uri('pkcs11:?module-name=softhsm2');
    const unseen = { ...FOUND, privateHalf: 'unseen' } as const;
    assert.deepEqual(parsePkcs11Uri(reportOfTokenKey(unseen, source).uri).key, {
      label: undefined,
      id: '0aff',
    });
    const withoutId = { ...unseen, key: { ...KEY, id: '' } };
    assert.equal(parsePkcs11Uri(reportOfTokenKey(withoutId, source).uri).key.label, 'k=1');
  });

  it('says where the private key is', () => {
    const source = parsePkcs11Uri('pkcs11:?module-name=softhsm2');
    const text = (privateHalf: 'present' | 'absent' | 'unseen'): string =>
      formatKeyReport(reportOfTokenKey({ ...FOUND, privateHalf }, source));
    assert.match(text('present'), /^private key: in the token$/m);
    assert.match(text('absent'), /^private key: not in this token$/m);
    assert.match(text('unseen'), /^private key: needs a login to see/m);
    assert.doesNotMatch(formatKeyReport(reportOfKey(jwk, 'file:/k')), /^private key/m);
  });

  it('is text in which nothing of the token reaches the terminal', () => {
    const report = { ...reportOfKey(jwk, 'file:/k'), token: TOKEN.label, label: '\r\n\u202e' };
    const text = formatKeyReport(report);
    assert.match(
      text,
      /^token: +a b\\u001b\[2J\nlabel: +\\u000d\\u000a\\u202e\nalgorithm: +ES256\n/,
    );
    assert.match(text, /\n-----BEGIN PUBLIC KEY-----\n/);
  });
});

describe('table of tokens', () => {
  it('has a line for each key, and for tokens without any', () => {
    const blank = { ...TOKEN, label: '', serial: '', initialized: false };
    const tokens = [
      {
        token: TOKEN,
        keys: [KEY, { ...KEY, label: '', id: '', hasPrivate: false, type: 'RSA-2048' }],
      },
      { token: { ...TOKEN, label: 'empty' }, keys: [] },
      { token: blank, keys: [] },
    ];
    assert.equal(
      formatTokenTable(tokens.map(reportOfToken)),
      [
        'TOKEN              SERIAL  KEY  ID    TYPE      SEEN',
        'a b\\u001b[2J       0;1     k=1  0aff  P-256     private',
        'a b\\u001b[2J       0;1     -    -     RSA-2048  public',
        'empty              0;1     -    -     -         -',
        '(not initialised)  -       -    -     -         -',
        '',
      ].join('\n'),
    );
  });

  it('says so when there is none', () => {
    assert.equal(formatTokenTable([]), 'no token\n');
  });
});
