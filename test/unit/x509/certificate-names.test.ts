// What a certificate names, whoever made it.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseCertificateNames } from '../../../src/x509/certificate-names.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  certificateInfo,
  makeCertificate,
  type CertificateParts,
} from '../../support/requests/certificate-builder.js';
import {
  bits,
  encodeDer,
  integer,
  NULL,
  oid,
  part,
  seq,
  set,
  type DerPart,
} from '../../support/requests/der-builder.js';
import { mustRun } from '../../support/process.js';
import {
  altNames,
  dnsName,
  extension,
  makeRequest,
  OID,
  subject,
} from '../../support/requests/request-builder.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { makeKeyPair } from '../../support/key-pair.js';

const KEY = makeKeyPair('ed25519').privateKey;

const SETTINGS = `[req]
distinguished_name = dn
prompt = no
x509_extensions = v3
[dn]
C = SE
O = Example
serialNumber = 17
emailAddress = admin@example.org
CN = www.example.org
[v3]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
certificatePolicies = 2.23.140.1.2.1
subjectAltName = DNS:www.example.org, DNS:*.example.org, IP:2001:db8::1, email:a@example.org
`;

describe('parseCertificateNames', () => {
  it('reads what openssl makes', async (t) => {
    const folder = await makeTempDir(t);
    const file = (base: string): string => join(folder, base);
    await writeFile(file('cnf'), SETTINGS);
    await mustRun('openssl', [
      ...[
        'req',
        '-x509',
        '-new',
        '-batch',
        '-config',
        file('cnf'),
        '-newkey',
        'rsa:2048',
        '-nodes',
      ],
      ...['-keyout', file('key'), '-outform', 'DER', '-out', file('certificate')],
    ]);
    assert.deepEqual(parseCertificateNames(await readFile(file('certificate'))), [
      { type: 'email', value: 'admin@example.org' },
      { type: 'dns', value: 'www.example.org' },
      { type: 'dns', value: '*.example.org' },
      { type: 'ip', value: '2001:db8::1' },
      { type: 'email', value: 'a@example.org' },
    ]);
  });

  describe('reads', () => {
    const READ: Readonly<
      Record<string, readonly [parts: CertificateParts, names: readonly string[]]>
    > = {
      'a certificate of version 1': [
        {
          version: undefined,
          subject: subject([OID.commonName, 'a.example']),
          extensions: undefined,
        },
        ['dns a.example'],
      ],
      'an empty subject': [{ extensions: [altNames(dnsName('b.example'))] }, ['dns b.example']],
      'unique identifiers': [
        {
          extensions: [altNames(dnsName('b.example'))],
          uniqueIds: [part(0x81, Buffer.of(0, 1)), part(0x82, Buffer.of(0, 1))],
        },
        ['dns b.example'],
      ],
      'attributes that no request may have': [
        {
          subject: subject(
            ['2.5.4.15', 'Private Organization'],
            ['2.5.4.12', part(0x14, 'obsolete')],
            [OID.commonName, '192.0.2.1'],
          ),
          extensions: [extension('1.3.6.1.4.1.11129.2.4.2', part(4, 'x')), altNames(dnsName('x'))],
        },
        ['ip 192.0.2.1', 'dns x'],
      ],
    };
    for (const [name, [parts, names]] of Object.entries(READ)) {
      it(name, () => {
        const read = parseCertificateNames(makeCertificate(KEY, parts));
        assert.deepEqual(
          read.map(({ type, value }) => `${type} ${value}`),
          names,
        );
      });
    }
  });

  describe('refuses', () => {
    const named = altNames(dnsName('a.example'));
    const commonName = (value: DerPart): DerPart => subject([OID.commonName, value]);
    const REFUSED: Readonly<Record<string, readonly [parts: CertificateParts, problem: RegExp]>> = {
      'no name': [{ extensions: undefined }, /^certificate: names nothing$/],
      'extensions without a name': [
        { extensions: [extension(OID.basicConstraints, seq())] },
        /^certificate: names nothing$/,
      ],
      'an empty subjectAltName': [
        { extensions: [altNames()] },
        /^certificate subjectAltName: empty$/,
      ],
      'names twice': [
        { extensions: [named, named] },
        /^certificate extension: 2\.5\.29\.17 is there/,
      ],
      'no extension': [{ extensions: [] }, /^certificate extension: empty$/],
      'a common name with NUL': [
        { subject: commonName(part(0x0c, 'a.example\0b')), extensions: [named] },
        /^certificate subject: a text with control characters$/,
      ],
      'a common name of an obsolete type': [
        { subject: commonName(part(0x1e, '\0a')), extensions: [named] },
        /obsolete/,
      ],
      'a mail address with NUL': [
        { subject: subject([OID.emailAddress, part(0x16, 'a\0b')]), extensions: [named] },
        /control characters/,
      ],
      'a subject that is none': [
        { subject: set(), extensions: [named] },
        /not of the expected type/,
      ],
      'more than one list of extensions': [
        { extensions: undefined, uniqueIds: [part(0xa3, [seq(named), seq(named)])] },
        /more in it than expected/,
      ],
      'a field more': [{ extensions: [named], uniqueIds: [NULL] }, /more in it than expected/],
    };
    for (const [name, [parts, problem]] of Object.entries(REFUSED)) {
      it(name, async () => {
        const certificate = makeCertificate(KEY, parts);
        const error = await appErrorOf(() => parseCertificateNames(certificate), 'POLICY_CSR');
        assert.match(error.message, problem);
      });
    }

    it('what is no certificate', async () => {
      const others = [
        Buffer.alloc(0),
        encodeDer(seq()),
        encodeDer(seq(seq(integer(0)), seq(oid('1.3.101.112')), part(3, Buffer.of(0, 1)))),
        makeRequest(KEY),
        encodeDer(
          seq(certificateInfo(KEY, { extensions: [named] }), seq(), bits(Buffer.of(1)), NULL),
        ),
        Buffer.from('-----BEGIN CERTIFICATE-----\n'),
      ];
      for (const other of others) {
        await appErrorOf(() => parseCertificateNames(other), 'POLICY_CSR');
      }
    });

    it('a certificate cut anywhere, and with anything behind it', async () => {
      const certificate = makeCertificate(KEY, { extensions: [named] });
      parseCertificateNames(certificate);
      for (let length = 0; length < certificate.length; length += 1) {
        await appErrorOf(
          () => parseCertificateNames(certificate.subarray(0, length)),
          'POLICY_CSR',
        );
      }
      for (let octet = 0; octet < 256; octet += 1) {
        const longer = Buffer.concat([certificate, Buffer.of(octet)]);
        await appErrorOf(() => parseCertificateNames(longer), 'POLICY_CSR');
      }
    });
  });
});
