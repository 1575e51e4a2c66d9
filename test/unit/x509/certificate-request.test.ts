// Requests as clients make them are read; what goes beyond a server's certificate is refused, and
// says why.

import assert from 'node:assert/strict';
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createCsr } from '../../../src/client/install/csr.js';
import {
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../src/x509/certificate-request.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  bits,
  decodeDer,
  encodeDer,
  integer,
  NULL,
  octets,
  oid,
  oidContent,
  part,
  printableString,
  seq,
  set,
  TRUE,
  utf8,
  type DerPart,
} from '../../support/requests/der-builder.js';
import { mustRun } from '../../support/process.js';
import {
  addressName,
  altNames,
  dnsName,
  emailName,
  extension,
  extensionRequest,
  keyInfo,
  makeRequest,
  OID,
  requestInfo,
  signRequest,
  subject,
  uriName,
  type RequestParts,
} from '../../support/requests/request-builder.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { makeKeyPair } from '../../support/key-pair.js';

const ec = (curve: string): KeyObject => makeKeyPair('ec', { namedCurve: curve }).privateKey;
const rsa = (bitLength: number): KeyObject =>
  makeKeyPair('rsa', { modulusLength: bitLength }).privateKey;

const KEY = ec('P-256');
const RSA_KEY = rsa(2048);
const ED_KEY = makeKeyPair('ed25519').privateKey;

/** What `lacme newOrder` has openssl make, with all its settings used. */
const LACME_LIKE = `[req]
distinguished_name = dn
prompt = no
req_extensions = v3_req
[dn]
C = SE
ST = Skåne
L = Malmö
O = Example
OU = Web
CN = www.example.org
[v3_req]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
keyUsage = critical, digitalSignature, keyEncipherment
subjectAltName = DNS:www.example.org, DNS:*.example.org, IP:192.0.2.1
tlsfeature = status_request
`;

/** As a policy does when it allows all else: the request, when its signature is right too. */
function readVerified(der: Uint8Array): Omit<CertificateRequest, 'assertSignature'> {
  const { assertSignature, ...request } = parseCertificateRequest(der);
  assertSignature();
  return request;
}

describe('parseCertificateRequest', () => {
  describe('reads what openssl makes', () => {
    const KEYS: Readonly<Record<string, { args: readonly string[]; key: object; hash?: string }>> =
      {
        'RSA 2048': {
          args: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
          key: { type: 'rsa', bits: 2048 },
        },
        'RSA 3072, SHA-512': {
          args: ['RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
          key: { type: 'rsa', bits: 3072 },
          hash: 'sha512',
        },
        'RSA 2050, exponent 3, SHA-384': {
          args: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2050', '-pkeyopt', 'rsa_keygen_pubexp:3'],
          key: { type: 'rsa', bits: 2050 },
          hash: 'sha384',
        },
        'P-256': { args: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], key: { type: 'p256' } },
        'P-384, SHA-384': {
          args: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
          key: { type: 'p384' },
          hash: 'sha384',
        },
        'P-521, SHA-512': {
          args: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
          key: { type: 'p521' },
          hash: 'sha512',
        },
        Ed25519: { args: ['ED25519'], key: { type: 'ed25519' } },
        Ed448: { args: ['ED448'], key: { type: 'ed448' } },
      };

    for (const [name, { args, key, hash }] of Object.entries(KEYS)) {
      it(name, async (t) => {
        const folder = await makeTempDir(t);
        const file = (base: string): string => join(folder, base);
        await writeFile(file('cnf'), LACME_LIKE);
        await mustRun('openssl', ['genpkey', '-out', file('key'), '-algorithm', ...args]);
        await mustRun('openssl', [
          ...['req', '-new', '-batch', '-utf8', '-config', file('cnf'), '-key', file('key')],
          ...['-outform', 'DER', '-out', file('csr'), ...(hash === undefined ? [] : [`-${hash}`])],
        ]);
        const request = readVerified(await readFile(file('csr')));
        const spki = createPublicKey(await readFile(file('key'))).export({
          format: 'der',
          type: 'spki',
        });
        assert.deepEqual(request, {
          names: [
            { type: 'dns', value: 'www.example.org' },
            { type: 'dns', value: '*.example.org' },
            { type: 'ip', value: '192.0.2.1' },
          ],
          key,
          keyHash: createHash('sha256').update(spki).digest('hex'),
        });
      });
    }
  });

  describe("reads the client's own", () => {
    const KEYS: Readonly<Record<string, KeyObject>> = {
      p256: KEY,
      p384: ec('P-384'),
      rsa: RSA_KEY,
    };
    for (const [type, key] of Object.entries(KEYS)) {
      it(type, async () => {
        const names = [
          { type: 'dns', value: 'a.test' },
          { type: 'dns', value: '*.xn--bcher-kva.test' },
          { type: 'ip', value: '192.0.2.1' },
          { type: 'ip', value: '2001:db8::1' },
        ] as const;
        const request = readVerified(await createCsr(key, names));
        assert.deepEqual(request.names, names);
        assert.equal(request.key.type, type);
      });
    }
  });

  it('reads every type of name', () => {
    const directory = subject([OID.organization, 'Example']);
    const long = utf8('x'.repeat(100));
    const request = makeRequest(KEY, {
      subject: subject([OID.commonName, 'EXAMPLE.org'], [OID.commonName, '192.0.2.7']),
      extensions: [
        altNames(
          ...[dnsName('example.org'), dnsName('example.org'), dnsName('EXAMPLE.org')],
          ...[emailName('a@example.org'), uriName('https://example.org/')],
          ...[
            addressName(192, 0, 2, 1),
            part(0xa4, [directory]),
            part(0x88, oidContent('2.999.1')),
          ],
          part(0xa0, [oid('1.3.6.1.4.1.311.20.2.3'), part(0xa0, [utf8('admin')])]),
          part(0xa0, [oid('1.2.3'), part(0xa0, [long])]),
        ),
      ],
    });
    const longHash = createHash('sha256').update(encodeDer(long)).digest('hex');
    assert.deepEqual(
      readVerified(request).names.map(({ type, value }) => `${type} ${value}`),
      [
        ...['dns EXAMPLE.org', 'ip 192.0.2.7', 'dns example.org', 'email a@example.org'],
        ...['uri https://example.org/', 'ip 192.0.2.1'],
        `directory #${encodeDer(directory).toString('hex')}`,
        ...['registered-id 2.999.1', 'other 1.3.6.1.4.1.311.20.2.3=#0c0561646d696e'],
        `other 1.2.3=sha256:${longHash}`,
      ],
    );
  });

  it('writes IPv6 addresses as RFC 5952 does', () => {
    const ADDRESSES: Readonly<Record<string, string>> = {
      '00000000000000000000000000000000': '::',
      '00000000000000000000000000000001': '::1',
      '20010db8000000000000000000000000': '2001:db8::',
      '20010db8000000010001000100010001': '2001:db8:0:1:1:1:1:1',
      '20010000000000010000000000000001': '2001:0:0:1::1',
      '20010db80000000000010000000000ab': '2001:db8::1:0:0:ab',
      '00010002000300040005000600070008': '1:2:3:4:5:6:7:8',
      '00000000000000000000ffffc0000201': '::ffff:c000:201',
    };
    const names = Object.keys(ADDRESSES).map((hex) => addressName(...Buffer.from(hex, 'hex')));
    const request = makeRequest(KEY, { extensions: [altNames(...names)] });
    assert.deepEqual(
      readVerified(request).names.map(({ value }) => value),
      Object.values(ADDRESSES),
    );
  });

  it('takes a common name that looks like an address for one, and a zone for none', () => {
    const names = ['2001:db8::1', 'fe80::1%eth0', '192.0.2.1', '192.0.2.01'];
    const request = makeRequest(KEY, {
      subject: subject(...names.map((name) => [OID.commonName, name] as const)),
      attributes: [],
    });
    assert.deepEqual(
      readVerified(request).names.map(({ type }) => type),
      ['ip', 'dns', 'ip', 'dns'],
    );
  });

  describe('reads', () => {
    const READ: Readonly<Record<string, RequestParts>> = {
      'texts of three types': {
        subject: subject(
          [OID.commonName, part(0x16, 'a.example')],
          [OID.organization, printableString("A-Z. (b's), +c/d:e=f?")],
          [OID.commonName, 'bücher.example'],
        ),
      },
      'a level with two attributes': {
        subject: seq(
          set(
            seq(oid(OID.organization), utf8('Example')),
            seq(oid(OID.commonName), utf8('a.example')),
          ),
        ),
      },
      'a subject alone': { subject: subject([OID.commonName, 'a.example']), attributes: [] },
      'server and client usages': {
        extensions: [
          altNames(dnsName('a.example')),
          usages('1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'),
        ],
      },
      'key usages but those of authorities': {
        extensions: [altNames(dnsName('a.example')), keyUsage('07', 'f980')],
      },
      'both status requests': {
        extensions: [
          altNames(dnsName('a.example')),
          extension(OID.tlsFeature, seq(integer(5), integer(17))),
        ],
      },
      'critical names': {
        extensions: [extension(OID.subjectAltName, seq(dnsName('a.example')), true)],
      },
    };
    for (const [name, parts] of Object.entries(READ)) {
      it(name, () => {
        const { names } = readVerified(makeRequest(KEY, parts));
        assert.ok(names.some(({ type, value }) => type === 'dns' && value === 'a.example'));
      });
    }
  });

  describe('refuses', () => {
    const withNames = (...extensions: DerPart[]): RequestParts => ({
      extensions: [altNames(dnsName('a.example')), ...extensions],
    });
    const named = (...names: DerPart[]): RequestParts => ({ extensions: [altNames(...names)] });
    const commonName = (value: DerPart | string): RequestParts => ({
      subject: subject([OID.commonName, value]),
    });
    const attribute = (id: string, value: DerPart): RequestParts => ({
      attributes: [seq(oid(id), set(value))],
    });
    const names = seq(dnsName('a.example'));

    const REFUSED: Readonly<Record<string, readonly [parts: RequestParts, problem: RegExp]>> = {
      'version 1': [{ version: integer(1) }, /^csr: of an unknown version$/],
      'version 128': [{ version: integer(0, 0x80) }, /unknown version/],
      'no name': [{ attributes: [] }, /^csr: names nothing$/],
      'an extension request without a name': [
        { extensions: [extension(OID.basicConstraints, seq())] },
        /^csr: names nothing$/,
      ],

      'an emailAddress': [
        { subject: subject([OID.emailAddress, part(0x16, 'a@example.org')]) },
        /^csr subject: attribute 1\.2\.840\.113549\.1\.9\.1 is not expected in a request$/,
      ],
      'a domainComponent': [
        { subject: subject(['0.9.2342.19200300.100.1.25', part(0x16, 'org')]) },
        /attribute 0\.9\.2342\.19200300\.100\.1\.25 /,
      ],
      'a user id': [{ subject: subject(['0.9.2342.19200300.100.1.1', 'root']) }, /100\.1\.1 /],
      'a serialNumber': [{ subject: subject(['2.5.4.5', '1']) }, /attribute 2\.5\.4\.5 /],
      'a common name in TeletexString': [commonName(part(0x14, 'a.example')), /obsolete/],
      'a common name in BMPString': [commonName(part(0x1e, '\0a')), /obsolete/],
      'a common name in UniversalString': [commonName(part(0x1c, '\0\0\0a')), /obsolete/],
      'a common name that is no text': [commonName(octets(Buffer.from('a'))), /obsolete or unex/],
      'an empty common name': [commonName(''), /an empty text/],
      'a common name with NUL': [commonName('a.example\0.evil.example'), /control characters/],
      'a common name with a line break': [commonName('a.example\n'), /control characters/],
      'a common name with a C1 control': [commonName('a.example\u0085'), /control characters/],
      'an IA5String with NUL': [commonName(part(0x16, 'a\0b')), /control characters/],
      'an IA5String beyond ASCII': [commonName(part(0x16, 'bücher')), /beyond ASCII/],
      'a PrintableString with an asterisk': [
        commonName(printableString('*.a.example')),
        /Printable/,
      ],
      'a PrintableString with NUL': [commonName(printableString('a\0')), /control characters/],
      'a UTF8String that is not UTF-8': [
        commonName(part(0x0c, Buffer.of(0xc0, 0xae))),
        /not UTF-8/,
      ],
      'a UTF8String with a surrogate': [
        commonName(part(0x0c, Buffer.of(0xed, 0xa0, 0x80))),
        /not UTF-8/,
      ],
      'a common name of 1025 bytes': [commonName('a'.repeat(1025)), /longer than 1024 bytes/],
      'an organization with NUL': [
        { subject: subject([OID.organization, 'a\0b'], [OID.commonName, 'a.example']) },
        /control characters/,
      ],
      'a subject that is a set': [{ subject: set() }, /^csr: not of the expected type$/],
      'an empty level of the subject': [{ subject: seq(set()) }, /^csr subject: empty$/],
      'an attribute of three fields': [
        { subject: seq(set(seq(oid(OID.commonName), utf8('a'), utf8('b')))) },
        /more in it than expected/,
      ],
      'an attribute without a value': [
        { subject: seq(set(seq(oid(OID.commonName)))) },
        /not complete/,
      ],
      'an object identifier beyond 64 bytes': [
        { subject: seq(set(seq(part(0x06, Buffer.alloc(65, 1)), utf8('a')))) },
        /wrong or too long/,
      ],

      'a challengePassword': [
        attribute(OID.challengePassword, utf8('secret')),
        /^csr: attribute 1\.2\.840\.113549\.1\.9\.7 is not expected in a request$/,
      ],
      "Microsoft's extension request": [
        attribute('1.3.6.1.4.1.311.2.1.14', seq(altNames(dnsName('a.example')))),
        /attribute 1\.3\.6\.1\.4\.1\.311\.2\.1\.14 /,
      ],
      'two extension requests': [
        {
          attributes: [
            extensionRequest(altNames(dnsName('a.example'))),
            extensionRequest(altNames(dnsName('b.example'))),
          ],
        },
        /more than one attribute/,
      ],
      'a challengePassword behind the extension request': [
        {
          attributes: [
            extensionRequest(altNames(dnsName('a.example'))),
            seq(oid(OID.challengePassword), set(utf8('secret'))),
          ],
        },
        /more than one attribute/,
      ],
      'two lists of extensions': [
        {
          attributes: [
            seq(
              oid(OID.extensionRequest),
              set(seq(altNames(dnsName('a.example'))), seq(altNames(dnsName('b.example')))),
            ),
          ],
        },
        /more than one attribute or list/,
      ],
      'no list of extensions': [
        { attributes: [seq(oid(OID.extensionRequest), set())] },
        /^csr attribute: empty$/,
      ],
      'an empty list of extensions': [{ extensions: [] }, /^csr extension: empty$/],

      'an unknown extension': [
        withNames(extension('2.5.29.30', seq())),
        /^csr: extension 2\.5\.29\.30 is not expected in a request$/,
      ],
      'an unknown critical extension': [
        withNames(extension('1.3.6.1.4.1.11129.2.4.3', NULL, true)),
        /extension 1\.3\.6\.1\.4\.1\.11129\.2\.4\.3 /,
      ],
      'names twice': [
        { extensions: [altNames(dnsName('a.example')), altNames(dnsName('b.example'))] },
        /2\.5\.29\.17 is there twice/,
      ],
      'an extension twice': [
        withNames(extension(OID.basicConstraints, seq()), extension(OID.basicConstraints, seq())),
        /2\.5\.29\.19 is there twice/,
      ],
      'critical that is FALSE in writing': [
        {
          extensions: [
            seq(oid(OID.subjectAltName), part(1, Buffer.of(0)), octets(encodeDer(names))),
          ],
        },
        /DER leaves out/,
      ],
      'critical behind the value': [
        { extensions: [seq(oid(OID.subjectAltName), octets(encodeDer(names)), TRUE)] },
        /more in it than expected/,
      ],
      'an extension without a value': [
        { extensions: [seq(oid(OID.subjectAltName))] },
        /not complete/,
      ],
      'bytes behind the names': [
        {
          extensions: [
            seq(
              oid(OID.subjectAltName),
              octets(Buffer.concat([encodeDer(names), encodeDer(names)])),
            ),
          ],
        },
        /^csr subjectAltName: bytes follow its end$/,
      ],
      'names that are BER': [
        {
          extensions: [
            seq(
              oid(OID.subjectAltName),
              octets(Buffer.from('3080 8201 61 0000'.replaceAll(' ', ''), 'hex')),
            ),
          ],
        },
        /^csr subjectAltName: not DER/,
      ],

      'an empty subjectAltName': [named(), /^csr subjectAltName: empty$/],
      'an empty DNS name': [named(dnsName('')), /an empty text/],
      'a DNS name with NUL': [named(dnsName('a.example\0.evil.example')), /control characters/],
      'a DNS name beyond ASCII': [named(dnsName('bücher.example')), /beyond ASCII/],
      'a DNS name in constructed form': [named(part(0xa2, [part(0x16, 'a')])), /unsupported type/],
      'a name of an unknown type': [named(part(0x89, 'a')), /a name of an unsupported type/],
      'an x400Address': [named(part(0xa3, [utf8('a')])), /unsupported type/],
      'an ediPartyName': [named(part(0xa5, [part(0xa1, [utf8('a')])])), /unsupported type/],
      'a directory name of an obsolete type': [
        named(part(0xa4, [subject([OID.commonName, part(0x14, 'a')])])),
        /obsolete/,
      ],
      'an address of five bytes': [named(addressName(1, 2, 3, 4, 5)), /neither 4 nor 16/],
      'an address with its mask': [named(addressName(192, 0, 2, 0, 255, 255, 255, 0)), /neither/],
      'an empty address': [named(addressName()), /neither/],
      'a registered id that is none': [named(part(0x88, Buffer.of(0x80))), /object identifier/],
      'an otherName without a value': [named(part(0xa0, [oid('1.2.3')])), /not complete/],
      'an otherName with two values': [
        named(part(0xa0, [oid('1.2.3'), part(0xa0, [utf8('a'), utf8('b')])])),
        /more in it/,
      ],
      'a directory name that is none': [named(part(0xa4, [utf8('a')])), /not of the expected type/],
      'two directory names in one': [named(part(0xa4, [seq(), seq()])), /more in it/],
      '1001 names': [
        named(...Array.from({ length: 1001 }, (_, at) => dnsName(`${at}.example`))),
        /more than 1000 names/,
      ],

      keyCertSign: [
        withNames(keyUsage('02', '04')),
        /asks to sign certificates or revocation lists/,
      ],
      cRLSign: [withNames(keyUsage('01', '82')), /asks to sign certificates/],
      'a key usage that does not exist': [withNames(keyUsage('06', '8040')), /not a list of known/],
      'a key usage with a zero bit at its end': [withNames(keyUsage('04', 'a0')), /known usages/],
      'a key usage with a zero octet at its end': [
        withNames(keyUsage('00', '8000')),
        /known usages/,
      ],
      'no key usage': [withNames(extension(OID.keyUsage, part(3, Buffer.of(0)))), /known usages/],
      'a certificate authority': [
        withNames(extension(OID.basicConstraints, seq(TRUE))),
        /^csr basicConstraints: asks for more/,
      ],
      'a path length': [
        withNames(extension(OID.basicConstraints, seq(integer(0)))),
        /asks for more/,
      ],
      'signing code': [
        withNames(usages('1.3.6.1.5.5.7.3.3')),
        /^csr extendedKeyUsage: 1\.3\.6\.1\.5\.5\.7\.3\.3 is neither serverAuth nor clientAuth$/,
      ],
      'any usage': [withNames(usages('1.3.6.1.5.5.7.3.1', '2.5.29.37.0')), /2\.5\.29\.37\.0 is/],
      'an extended usage twice': [
        withNames(usages('1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.1')),
        /there twice/,
      ],
      'no extended usage': [withNames(usages()), /^csr extendedKeyUsage: empty$/],
      'an unknown TLS feature': [
        withNames(extension(OID.tlsFeature, seq(integer(6)))),
        /status_request/,
      ],
      'a TLS feature that begins with the number of another': [
        withNames(extension(OID.tlsFeature, seq(integer(5, 1)))),
        /status_request/,
      ],
      'a TLS feature twice': [
        withNames(extension(OID.tlsFeature, seq(integer(5), integer(5)))),
        /status_request/,
      ],
      'an empty key identifier': [
        withNames(extension(OID.subjectKeyIdentifier, octets(Buffer.alloc(0)))),
        /^csr subjectKeyIdentifier: empty or too long$/,
      ],
      'a key identifier of 65 bytes': [
        withNames(extension(OID.subjectKeyIdentifier, octets(Buffer.alloc(65)))),
        /empty or too long/,
      ],

      'another signer': [{ signer: ec('P-256') }, /^csr signature: wrong$/],
      'a signer of another kind': [{ signer: RSA_KEY }, /^csr signature: of another algorithm/],
      'a hash other than it says': [{ hash: 'sha384' }, /^csr signature: wrong$/],
      'SHA-1': [
        { hash: 'sha1', algorithm: seq(oid('1.2.840.10045.4.1')) },
        /^csr signature: algorithm 1\.2\.840\.10045\.4\.1 is weak or unknown$/,
      ],
      'parameters of ECDSA': [
        { algorithm: seq(oid('1.2.840.10045.4.3.2'), NULL) },
        /^csr signature: more in it than expected$/,
      ],
    };
    for (const [name, [parts, problem]] of Object.entries(REFUSED)) {
      it(name, async () => {
        const error = await appErrorOf(() => readVerified(makeRequest(KEY, parts)), 'POLICY_CSR');
        assert.match(error.message, problem);
      });
    }
  });

  describe('refuses the key', () => {
    const spki = (algorithm: DerPart, key: Uint8Array): DerPart => seq(algorithm, bits(key));
    const ecAlgorithm = (curve: string): DerPart => seq(oid('1.2.840.10045.2.1'), oid(curve));
    const rsaAlgorithm = seq(oid('1.2.840.113549.1.1.1'), NULL);
    const P256 = '1.2.840.10045.3.1.7';
    const point = (key: KeyObject): Buffer =>
      createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-65);
    const rsaKey = (modulus: Buffer, exponent: DerPart): Buffer =>
      encodeDer(seq(part(2, Buffer.concat([Buffer.of(0), modulus])), exponent));
    const modulus = Buffer.alloc(256, 0xff);
    const compressed = Buffer.concat([Buffer.of(2), point(KEY).subarray(1, 33)]);
    // X9.62 §4.3.6: the last bit tells that of y. OpenSSL reads it, so one key would have two pins.
    const hybrid = Buffer.concat([
      Buffer.of(6 + ((point(KEY).at(-1) ?? 0) & 1)),
      point(KEY).subarray(1),
    ]);
    const offCurve = Buffer.concat([Buffer.of(4), Buffer.alloc(63), Buffer.of(1)]);

    const REFUSED: Readonly<Record<string, readonly [key: DerPart, problem: RegExp]>> = {
      'DSA, or anything else': [
        spki(seq(oid('1.2.840.10040.4.1')), Buffer.alloc(9)),
        /^csr key: algorithm 1\.2\.840\.10040\.4\.1 is not one of RSA, EC, Ed25519 and Ed448$/,
      ],
      'RSA-PSS': [spki(seq(oid('1.2.840.113549.1.1.10')), Buffer.alloc(9)), /is not one of/],
      X25519: [spki(seq(oid('1.3.101.110')), Buffer.alloc(32)), /is not one of/],
      secp256k1: [spki(ecAlgorithm('1.3.132.0.10'), point(KEY)), /on a curve other than P-256/],
      'explicit curve parameters': [
        spki(seq(oid('1.2.840.10045.2.1'), seq(integer(1))), point(KEY)),
        /not of the expected type/,
      ],
      'no curve': [spki(seq(oid('1.2.840.10045.2.1')), point(KEY)), /not complete/],
      'a compressed point': [spki(ecAlgorithm(P256), compressed), /not an uncompressed point/],
      'a point in hybrid form': [spki(ecAlgorithm(P256), hybrid), /not an uncompressed point/],
      'a point of the wrong length': [
        spki(ecAlgorithm('1.3.132.0.34'), point(KEY)),
        /not an uncompressed point/,
      ],
      'a point beside the curve': [spki(ecAlgorithm(P256), offCurve), /^csr key: not a valid key$/],
      'Ed25519 with parameters': [
        spki(seq(oid('1.3.101.112'), NULL), Buffer.alloc(32)),
        /more in it than expected/,
      ],
      'Ed25519 of 31 bytes': [spki(seq(oid('1.3.101.112')), Buffer.alloc(31)), /of a wrong length/],
      'RSA without parameters': [
        spki(seq(oid('1.2.840.113549.1.1.1')), rsaKey(modulus, integer(3))),
        /not complete/,
      ],
      'RSA of 2047 bits': [
        spki(
          rsaAlgorithm,
          encodeDer(
            seq(part(2, Buffer.concat([Buffer.of(0x7f), Buffer.alloc(255, 0xff)])), integer(3)),
          ),
        ),
        /^csr key: RSA of 2047 bits, not 2048 to 8192$/,
      ],
      'RSA of 8200 bits': [
        spki(rsaAlgorithm, rsaKey(Buffer.alloc(1025, 0xff), integer(3))),
        /RSA of 8200 bits/,
      ],
      'RSA with an even modulus': [
        spki(rsaAlgorithm, rsaKey(Buffer.alloc(256, 0xfe), integer(3))),
        /unusable modulus or exponent/,
      ],
      'RSA with exponent 1': [spki(rsaAlgorithm, rsaKey(modulus, integer(1))), /unusable/],
      'RSA with an even exponent': [spki(rsaAlgorithm, rsaKey(modulus, integer(4))), /unusable/],
      'RSA with a huge exponent': [
        spki(rsaAlgorithm, rsaKey(modulus, integer(1, 1, 1, 1, 1))),
        /unusable/,
      ],
      'RSA with exponent 0': [spki(rsaAlgorithm, rsaKey(modulus, integer(0))), /not positive/],
      'RSA with a negative exponent': [
        spki(rsaAlgorithm, rsaKey(modulus, integer(0xfd))),
        /not positive/,
      ],
      'RSA of three numbers': [
        spki(
          rsaAlgorithm,
          encodeDer(seq(part(2, Buffer.concat([Buffer.of(0), modulus])), integer(3), integer(3))),
        ),
        /more in it/,
      ],
      'RSA that is not DER': [spki(rsaAlgorithm, Buffer.alloc(9)), /^csr key: /],
      'bits that are not whole octets': [
        seq(ecAlgorithm(P256), part(3, Buffer.concat([Buffer.of(1), Buffer.alloc(65)]))),
        /whole octets/,
      ],
      'a third field': [seq(ecAlgorithm(P256), bits(point(KEY)), NULL), /more in it/],
    };
    for (const [name, [key, problem]] of Object.entries(REFUSED)) {
      it(name, async () => {
        const error = await appErrorOf(() => readVerified(makeRequest(KEY, { key })), 'POLICY_CSR');
        assert.match(error.message, problem);
      });
    }

    it('RSA of 1024 bits, whole and signed', async () => {
      const request = makeRequest(rsa(1024));
      const error = await appErrorOf(() => readVerified(request), 'POLICY_CSR');
      assert.match(error.message, /RSA of 1024 bits/);
    });
  });

  describe('refuses the signature', () => {
    const rsaSigned = (id: string, hash: string, ...parameters: DerPart[]): Buffer =>
      makeRequest(RSA_KEY, { hash, algorithm: seq(oid(id), ...parameters) });
    const REFUSED: Readonly<Record<string, readonly [request: () => Buffer, problem: RegExp]>> = {
      'RSA with SHA-1': [
        () => rsaSigned('1.2.840.113549.1.1.5', 'sha1', NULL),
        /1\.2\.840\.113549\.1\.1\.5 is weak or unknown/,
      ],
      'RSA with MD5': [() => rsaSigned('1.2.840.113549.1.1.4', 'md5', NULL), /weak or unknown/],
      'RSA-PSS': [() => rsaSigned('1.2.840.113549.1.1.10', 'sha256', seq()), /weak or unknown/],
      'RSA without parameters': [
        () => rsaSigned('1.2.840.113549.1.1.11', 'sha256'),
        /not complete/,
      ],
      'Ed25519 called Ed448': [
        () => makeRequest(ED_KEY, { algorithm: seq(oid('1.3.101.113')) }),
        /of another algorithm/,
      ],
      'Ed25519 cut short': [() => withSignature(ED_KEY, (bytes) => bytes.subarray(1)), /: wrong/],
      'RSA cut short': [() => withSignature(RSA_KEY, (bytes) => bytes.subarray(1)), /: wrong/],
      'ECDSA with a number more': [
        () => withSignature(KEY, (bytes) => encodeDer(seq(...children(bytes), integer(1)))),
        /more in it/,
      ],
      'ECDSA with bytes behind': [
        () => withSignature(KEY, (bytes) => Buffer.concat([bytes, Buffer.of(0)])),
        /bytes follow/,
      ],
      'ECDSA of zeros': [
        () => withSignature(KEY, () => encodeDer(seq(integer(0), integer(0)))),
        /not positive/,
      ],
      'no octet': [() => withSignature(KEY, () => Buffer.alloc(0)), /whole octets/],
    };
    for (const [name, [make, problem]] of Object.entries(REFUSED)) {
      it(name, async () => {
        const error = await appErrorOf(() => readVerified(make()), 'POLICY_CSR');
        assert.match(error.message, problem);
      });
    }
  });

  it('refuses what is no request at all', async () => {
    const info = requestInfo(KEY);
    const [, algorithm, signature] = children(signRequest(KEY, info));
    assert.ok(algorithm !== undefined && signature !== undefined);
    const fields = children(encodeDer(info));
    const wrong = [
      encodeDer(NULL),
      encodeDer(seq()),
      encodeDer(seq(info, algorithm)),
      encodeDer(seq(info, algorithm, signature, NULL)),
      signRequest(KEY, seq(...fields.slice(0, 3))),
      signRequest(KEY, seq(...fields, NULL)),
      signRequest(KEY, seq(...fields.slice(0, 3), part(0xa1, []))),
      keyInfoOnly(),
      Buffer.from(`-----BEGIN CERTIFICATE REQUEST-----\n`),
    ];
    for (const request of wrong) {
      await appErrorOf(() => readVerified(request), 'POLICY_CSR');
    }
  });

  it('refuses a request cut anywhere, and with anything behind it', async () => {
    for (const key of [KEY, RSA_KEY, ED_KEY]) {
      const request = makeRequest(key);
      readVerified(request);
      for (let length = 0; length < request.length; length += 1) {
        await appErrorOf(() => readVerified(request.subarray(0, length)), 'POLICY_CSR');
      }
      for (let octet = 0; octet < 256; octet += 1) {
        const longer = Buffer.concat([request, Buffer.of(octet)]);
        await appErrorOf(() => readVerified(longer), 'POLICY_CSR');
      }
    }
  });

  it('refuses a request with any one bit changed', async () => {
    for (const key of [KEY, RSA_KEY, ED_KEY]) {
      const request = makeRequest(key);
      for (let at = 0; at < request.length * 8; at += 1) {
        const changed = Buffer.from(request);
        changed.writeUInt8(changed.readUInt8(at >> 3) ^ (1 << (at & 7)), at >> 3);
        await appErrorOf(() => readVerified(changed), 'POLICY_CSR');
      }
    }
  });
});

function keyUsage(unused: string, octetsHex: string): DerPart {
  return extension(OID.keyUsage, part(0x03, Buffer.from(unused + octetsHex, 'hex')), true);
}

function usages(...ids: string[]): DerPart {
  return extension(OID.extendedKeyUsage, seq(...ids.map(oid)));
}

function children(bytes: Uint8Array): readonly DerPart[] {
  const { content } = decodeDer(bytes);
  assert.ok(!(content instanceof Uint8Array));
  return content;
}

function keyInfoOnly(): Buffer {
  return encodeDer(keyInfo(KEY));
}

/** A request whose signature is another one than was made. */
function withSignature(key: KeyObject, change: (signature: Buffer) => Buffer): Buffer {
  const [info, algorithm, signature] = children(makeRequest(key));
  assert.ok(info !== undefined && algorithm !== undefined && signature !== undefined);
  assert.ok(signature.content instanceof Uint8Array);
  return encodeDer(seq(info, algorithm, bits(change(Buffer.from(signature.content.subarray(1))))));
}
