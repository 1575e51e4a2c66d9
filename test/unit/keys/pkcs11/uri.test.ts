// The pkcs11: URI: what RFC 7512 allows and we understand, each way to get it wrong, and no PIN
// shown.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { formatPkcs11Uri, isPkcs11Uri, parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import { appErrorOf } from '../../../support/app-error.js';

describe('pkcs11 URI', () => {
  it('cuts the padding of fixed texts, as p11tool and the TPM module print it', () => {
    const printed = parsePkcs11Uri(
      'pkcs11:model=SW%20%20%20TPM%00%00%00%00%00%00%00%00;manufacturer=IBM;serial=0000000000000000;' +
        'token=tpmB%20%20%20;object=tpm%20key%20;type=private?module-name=tpm2-pkcs11',
    );
    assert.equal(printed.token.model, 'SW   TPM');
    assert.equal(printed.token.label, 'tpmB');
    // CKA_LABEL has no fixed length, so its blanks are its own.
    assert.equal(printed.key.label, 'tpm key ');
    const others =
      'slot-description=a%20%00;slot-manufacturer=b%00;library-manufacturer=c%20;library-description=d%00';
    const { slotDescription, slotManufacturer, libraryManufacturer, libraryDescription } =
      parsePkcs11Uri(`pkcs11:${others}`).token;
    assert.deepEqual(
      [slotDescription, slotManufacturer, libraryManufacturer, libraryDescription],
      ['a', 'b', 'c', 'd'],
    );
  });

  it('refuses a NUL that is no padding', async () => {
    for (const uri of ['pkcs11:token=a%00b', 'pkcs11:object=a%00']) {
      await appErrorOf(() => parsePkcs11Uri(uri), 'KEY_URI');
    }
  });

  it('gives every attribute', () => {
    const uri = parsePkcs11Uri(
      'pkcs11:token=My%20token;serial=01a;manufacturer=Yubico%20%28www%29;model=YubiKey%205;slot-id=3;' +
        'slot-description=Reader%20A;slot-manufacturer=ACS;library-manufacturer=OpenSC%20Project;' +
        'library-description=smartcards;library-version=0.23;' +
        'object=ac/count;id=%01%ff;type=private?module-path=/usr/lib/x.so&pin-source=file:/etc/pin',
    );
    assert.deepEqual(uri, {
      token: {
        label: 'My token',
        serial: '01a',
        manufacturer: 'Yubico (www)',
        model: 'YubiKey 5',
        slotId: 3,
        slotDescription: 'Reader A',
        slotManufacturer: 'ACS',
        libraryManufacturer: 'OpenSC Project',
        libraryDescription: 'smartcards',
        libraryVersion: '0.23',
      },
      key: { label: 'ac/count', id: '01ff' },
      modulePath: '/usr/lib/x.so',
      moduleName: undefined,
      pinSource: 'file:/etc/pin',
      pinValue: undefined,
    });
    assert.equal(
      formatPkcs11Uri(uri),
      'pkcs11:token=My%20token;serial=01a;manufacturer=Yubico%20%28www%29;model=YubiKey%205;slot-id=3;' +
        'slot-description=Reader%20A;slot-manufacturer=ACS;library-manufacturer=OpenSC%20Project;' +
        'library-description=smartcards;library-version=0.23;' +
        'object=ac/count;id=%01%FF?module-path=/usr/lib/x.so&pin-source=file:/etc/pin',
    );
  });

  it('reads a library version of one number as its major version', () => {
    assert.equal(parsePkcs11Uri('pkcs11:library-version=3').token.libraryVersion, '3.0');
    assert.equal(parsePkcs11Uri('pkcs11:library-version=03.01').token.libraryVersion, '3.1');
  });

  it('may be empty, and may say only some of it', () => {
    assert.equal(parsePkcs11Uri('pkcs11:').token.label, undefined);
    assert.equal(parsePkcs11Uri('PKCS11:?module-name=softhsm2').moduleName, 'softhsm2');
    assert.equal(parsePkcs11Uri('pkcs11:token=').token.label, '');
    assert.equal(parsePkcs11Uri('pkcs11:token=%C3%BC').token.label, 'ü');
    assert.equal(parsePkcs11Uri('pkcs11:id=abc').key.id, '616263');
    assert.ok(isPkcs11Uri('pkcs11:'));
    assert.ok(!isPkcs11Uri('pkcs12:'));
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['another scheme', 'file:/x', /does not begin with pkcs11:/],
    ['an unknown attribute', 'pkcs11:tokne=x', /"tokne" is not a path attribute/],
    [
      'an unknown query attribute',
      'pkcs11:?modulepath=/x',
      /"modulepath" is not a query attribute/,
    ],
    ['a vendor attribute', 'pkcs11:x-vendor=1', /"x-vendor" is not a path attribute/],
    [
      'a library version with a letter',
      'pkcs11:library-version=3.x',
      /library-version is not MAJOR/,
    ],
    [
      'a library version over a byte',
      'pkcs11:library-version=3.256',
      /library-version is not MAJOR/,
    ],
    ['a library version of three', 'pkcs11:library-version=3.0.1', /library-version is not MAJOR/],
    ['an attribute twice', 'pkcs11:token=a;token=a', /token is given twice/],
    [
      'a query attribute twice',
      'pkcs11:?module-name=a&module-name=a',
      /module-name is given twice/,
    ],
    [
      'a query attribute in the path',
      'pkcs11:pin-source=file:/x',
      /pin-source belongs after the "\?"/,
    ],
    ['a path attribute in the query', 'pkcs11:?token=x', /token belongs before the "\?"/],
    ['no value', 'pkcs11:token', /"token" is not a path attribute/],
    ['an empty attribute', 'pkcs11:token=a;', /a part of it is not a path attribute/],
    ['a bad percent code', 'pkcs11:token=%2', /token has a character that must be percent-encoded/],
    ['a raw space', 'pkcs11:token=My token', /token has a character that must be percent-encoded/],
    ['a raw control character', 'pkcs11:token=a\nb', /token has a character/],
    ['text that is not UTF-8', 'pkcs11:token=%ff', /token is not UTF-8/],
    ['a NUL', 'pkcs11:object=a%00b', /object has a NUL/],
    ['an empty id', 'pkcs11:id=', /id is not 1 to 256 bytes/],
    ['a slot that is no number', 'pkcs11:slot-id=0x1', /slot-id is not a decimal number/],
    ['a type that cannot sign', 'pkcs11:type=public', /type is "public", which cannot sign/],
    ['a type there is not', 'pkcs11:type=key', /type is not a type of object/],
    [
      'a relative module path',
      'pkcs11:?module-path=libsofthsm2.so',
      /module-path is not an absolute path/,
    ],
    ['a module name with a path', 'pkcs11:?module-name=../x', /module-name is not a module name/],
    ['two modules', 'pkcs11:?module-name=a&module-path=/a', /both given/],
    ['a PIN of nothing', 'pkcs11:?pin-value=', /pin-value is empty/],
    ['two PINs', 'pkcs11:?pin-value=1234&pin-source=file:/x', /both given/],
    ['a length of no use', `pkcs11:token=${'a'.repeat(5000)}`, /longer than/],
  ];
  for (const [what, text, message] of wrong) {
    it(`is refused with ${what}`, async () => {
      const error = await appErrorOf(() => parsePkcs11Uri(text), 'KEY_URI');
      assert.match(error.message, message);
    });
  }

  it('is refused with the attributes that there are', async () => {
    const path = await appErrorOf(() => parsePkcs11Uri('pkcs11:x=1'), 'KEY_URI');
    assert.match(path.hint ?? '', /^path attributes are token, serial, .*, object, id, type$/);
    const query = await appErrorOf(() => parsePkcs11Uri('pkcs11:?x=1'), 'KEY_URI');
    assert.equal(
      query.hint,
      'query attributes are module-path, module-name, pin-source, pin-value',
    );
  });

  it('never shows its PIN', async () => {
    const uri = parsePkcs11Uri('pkcs11:token=a?pin-value=geheim%21&module-path=/x.so');
    assert.equal(
      uri.pinValue?.use((bytes) => bytes.toString()),
      'geheim!',
    );
    assert.equal(formatPkcs11Uri(uri), 'pkcs11:token=a?module-path=/x.so');
    assert.doesNotMatch(inspect(uri) + JSON.stringify(uri), /geheim/);
    for (const text of [
      'pkcs11:token=a?pin-value=geheim geheim',
      'pkcs11:token=a?pin-value=geheim&pin-value=geheim',
      'pkcs11:geheim?token=a',
      'pkcs11:token=a?Geheim1',
      'pkcs11:token=a&pin-value=geheim',
    ].map((text) => text.replaceAll('geheim', 'GEHEIM-4711'))) {
      const error = await appErrorOf(() => parsePkcs11Uri(text), 'KEY_URI');
      assert.doesNotMatch(`${error.message} ${error.hint ?? ''}`, /GEHEIM/);
    }
  });

  it('comes back from its format', () => {
    const text = fc.option(fc.string({ unit: 'binary', maxLength: 40 }).filter(isPlainText), {
      nil: undefined,
    });
    fc.assert(
      fc.property(
        text,
        text,
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        (label, object, id) => {
          const uri = {
            ...parsePkcs11Uri('pkcs11:?module-path=/m%20x.so'),
            token: { ...parsePkcs11Uri('pkcs11:').token, label },
            key: { label: object, id: Buffer.from(id).toString('hex') },
          };
          const formatted = formatPkcs11Uri(uri);
          assert.match(formatted, /^[!-~]+$/);
          assert.deepEqual(parsePkcs11Uri(formatted), uri);
        },
      ),
    );
  });

  it('is parsed or refused, whatever follows the scheme', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parsePkcs11Uri(`pkcs11:${text}`);
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error && error.code === 'KEY_URI');
        }
      }),
    );
  });
});

/** Text that is UTF-8 both ways, has no NUL and does not end in what is taken for padding. */
function isPlainText(text: string): boolean {
  return !/\0| $/.test(text) && Buffer.from(text).toString() === text;
}
