// Certificate requests and certificates of any shape: what is read is what others read in the same
// bytes. Others are openssl and @peculiar/x509. The mutations are signed anew, or hardly one would
// be looked into.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../src/lib/errors.js';
import { parseCertificateNames } from '../../src/x509/certificate-names.js';
import {
  parseCertificateRequest,
  type CertificateRequest,
} from '../../src/x509/certificate-request.js';
import type { Identifier } from '../../src/x509/identifier.js';
import { certificateInfo, signCertificate } from '../support/requests/certificate-builder.js';
import {
  integer,
  octets,
  oid,
  oidContent,
  part,
  printableString,
  seq,
  utf8,
  type DerPart,
} from '../support/requests/der-builder.js';
import { anyMutations, mutated } from '../support/attack/der-mutation.js';
import { fuzzed } from '../support/attack/fuzz.js';
import {
  comparable,
  nodeNames,
  opensslNames,
  peculiarNames,
} from '../support/attack/request-oracles.js';
import {
  addressName,
  altNames,
  dnsName,
  emailName,
  extension,
  makeRequest,
  OID,
  requestInfo,
  signRequest,
  subject,
  uriName,
} from '../support/requests/request-builder.js';
import { makeTempDir } from '../support/temp-dir.js';
import { makeKeyPair } from '../support/key-pair.js';

const ED_KEY = makeKeyPair('ed25519').privateKey;
const EC_KEY = makeKeyPair('ec', { namedCurve: 'P-256' }).privateKey;

const SUBJECT = subject(
  [OID.organization, printableString('Example')],
  [OID.commonName, 'a.example'],
  [OID.commonName, part(0x16, '192.0.2.1')],
);
const NAMES = altNames(
  ...[dnsName('a.example'), dnsName('*.b.example'), addressName(192, 0, 2, 1)],
  ...[addressName(...Buffer.from('20010db8000000000001000000000001', 'hex'))],
  ...[emailName('a@example.org'), uriName('https://a.example/'), part(0x88, oidContent('1.2.840'))],
  ...[part(0xa4, [SUBJECT]), part(0xa0, [oid('1.2.3'), part(0xa0, [utf8('x')])])],
);
const PLAIN_NAMES = altNames(dnsName('a.example'), dnsName('b.example'), addressName(192, 0, 2, 1));
const OTHER_EXTENSIONS = [
  extension(OID.basicConstraints, seq(), true),
  extension(OID.keyUsage, part(3, Buffer.of(5, 0xa0)), true),
  extension(OID.extendedKeyUsage, seq(oid('1.3.6.1.5.5.7.3.1'))),
  extension(OID.tlsFeature, seq(integer(5))),
  extension(OID.subjectKeyIdentifier, octets(Buffer.alloc(20, 7))),
];

const anyNames = fc.constantFrom(NAMES, PLAIN_NAMES);

/** Requests that differ in a few places from what is right, with a right signature. */
const anyRequest = fc
  .tuple(fc.constantFrom(ED_KEY, EC_KEY), anyNames, anyMutations)
  .map(([key, names, mutations]) => {
    const extensions = [names, ...OTHER_EXTENSIONS];
    const info = requestInfo(key, { subject: SUBJECT, extensions });
    return signRequest(key, mutated(info, mutations));
  });

const anyCertificate = fc.tuple(anyNames, anyMutations).map(([names, mutations]) => {
  const extensions = [names, ...OTHER_EXTENSIONS];
  const info = certificateInfo(ED_KEY, { subject: SUBJECT, extensions });
  return signCertificate(ED_KEY, mutated(info, mutations));
});

/** The names, or undefined when the bytes are refused; any other error fails the test. */
function namesOrNone(read: () => readonly Identifier[]): readonly Identifier[] | undefined {
  try {
    return read();
  } catch (error) {
    assert.ok(isAppError(error, 'POLICY_CSR'), String(error));
    return undefined;
  }
}

/** As a policy does when it allows all else: the request, when its signature is right too. */
function readVerified(der: Uint8Array): Omit<CertificateRequest, 'assertSignature'> {
  const { assertSignature, ...request } = parseCertificateRequest(der);
  assertSignature();
  return request;
}

const requestNames = (der: Uint8Array): readonly Identifier[] | undefined =>
  namesOrNone(() => readVerified(der).names);
const certificateNames = (der: Uint8Array): readonly Identifier[] | undefined =>
  namesOrNone(() => parseCertificateNames(der));

describe('any bytes', () => {
  it('are read as a request or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        assert.equal(requestNames(bytes), undefined);
        assert.equal(certificateNames(bytes), undefined);
      }),
      fuzzed(2000),
    );
  });

  it('that were a request once are refused', () => {
    const request = makeRequest(ED_KEY, { extensions: [NAMES, ...OTHER_EXTENSIONS] });
    const anyChange = fc.record({ at: fc.nat(request.length - 1), octet: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(anyChange, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Buffer.from(request);
        for (const { at, octet } of changes) {
          bytes[at] = octet;
        }
        assert.equal(requestNames(bytes) !== undefined, bytes.equals(request));
      }),
      fuzzed(2000),
    );
  });
});

describe('a request', () => {
  const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
  const dns = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const name: fc.Arbitrary<{ element: DerPart; text: string }> = fc.oneof(
    dns.map((text) => ({ element: dnsName(text), text: `dns ${text}` })),
    dns.map((text) => ({ element: dnsName(`*.${text}`), text: `dns *.${text}` })),
    fc.ipV4().map((text) => ({
      element: addressName(...text.split('.').map(Number)),
      text: `ip ${text}`,
    })),
    dns.map((text) => ({ element: emailName(`a@${text}`), text: `email a@${text}` })),
  );

  it('that is right is read, with exactly its names', () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 100 }), (names) => {
        const extensions = [altNames(...names.map(({ element }) => element))];
        assert.deepEqual(
          comparable(requestNames(makeRequest(ED_KEY, { extensions })) ?? []),
          [...new Set(names.map(({ text }) => text))].sort(),
        );
      }),
      fuzzed(300),
    );
  });

  it('names what @peculiar/x509 reads, or is refused', () => {
    let compared = 0;
    fc.assert(
      fc.property(anyRequest, (der) => {
        const names = requestNames(der);
        if (names !== undefined) {
          compared += 1;
          assert.deepEqual(comparable(names), comparable(peculiarNames(der)));
        }
      }),
      fuzzed(3000),
    );
    assert.ok(compared > 300, `only ${compared} were not refused`);
  });

  it('names what openssl reads, which finds its signature right, or is refused', async (t) => {
    const path = join(await makeTempDir(t), 'csr.der');
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(anyRequest, async (der) => {
        const names = requestNames(der);
        // openssl separates the names it prints with a comma and does not escape those in a name.
        if (names !== undefined && !der.includes(', ')) {
          compared += 1;
          assert.deepEqual(comparable(names), comparable((await opensslNames(path, der)) ?? []));
        }
      }),
      fuzzed(300),
    );
    assert.ok(compared > 30, `only ${compared} were not refused`);
  });
});

describe('a certificate', () => {
  it('names what openssl reads, or is refused', () => {
    let compared = 0;
    fc.assert(
      fc.property(anyCertificate, (der) => {
        const names = certificateNames(der);
        const others = names === undefined ? undefined : nodeNames(der);
        if (names !== undefined && others !== undefined) {
          compared += 1;
          assert.deepEqual(comparable(names), comparable(others));
        }
      }),
      fuzzed(3000),
    );
    assert.ok(compared > 300, `only ${compared} were not refused`);
  });
});
