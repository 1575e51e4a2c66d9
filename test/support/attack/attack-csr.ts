// Attacks with the CSR of a finalize: other names than the order's, other keys, and whatever else a
// CA might put into a certificate. Used by test processes only. In key-ID-only mode a CSR is not
// judged.

import { type KeyObject } from 'node:crypto';
import {
  attack,
  both,
  forPolicy,
  header,
  line,
  NAME,
  ORIGIN,
  signed,
  type Attack,
} from './attack.js';
import {
  oid,
  oidContent,
  part,
  seq,
  set,
  TRUE,
  utf8,
  integer,
  type DerPart,
} from '../requests/der-builder.js';
import {
  addressName,
  altNames,
  dnsName,
  emailName,
  extension,
  extensionRequest,
  makeRequest,
  OID,
  subject,
  uriName,
  type RequestParts,
} from '../requests/request-builder.js';
import { makeKeyPair } from '../key-pair.js';

/** The keys of CSRs, private halves. All but `unpinned` are pinned by the policy. */
interface SubjectKeys {
  readonly good: KeyObject;
  readonly denied: KeyObject;
  readonly rsa: KeyObject;
  readonly p384: KeyObject;
  readonly unpinned: KeyObject;
}

export function makeSubjectKeys(): SubjectKeys {
  const ec = (namedCurve: string): KeyObject => makeKeyPair('ec', { namedCurve }).privateKey;
  return {
    good: ec('P-256'),
    denied: ec('P-256'),
    rsa: makeKeyPair('rsa', { modulusLength: 2048 }).privateKey,
    p384: ec('P-384'),
    unpinned: ec('P-256'),
  };
}

const WWW = dnsName(NAME);
const SAN = altNames(WWW);

function finalize(name: string, der: Buffer, setting: string, reason = /./): Attack {
  const url = `${ORIGIN}/order/1/finalize`;
  const sent = line(header({ url }), { csr: der.toString('base64url') });
  return attack(`finalize: ${name}`, sent, forPolicy(setting, 'finalize', reason));
}

export function csrAttacks(keys: SubjectKeys): readonly Attack[] {
  const good = makeRequest(keys.good, { extensions: [SAN] });
  const capitals = makeRequest(keys.good, {
    subject: subject([OID.commonName, 'WWW.EXAMPLE.ORG']),
    extensions: [SAN],
  });
  const organization = makeRequest(keys.good, {
    subject: subject([OID.organization, 'Evil Corp']),
    extensions: [SAN],
  });
  const url = `${ORIGIN}/order/1/finalize`;
  const signs = both(signed('finalize'));
  return [
    // Legitimate: the name and nothing else, in any case; attributes that name no server are let
    // pass.
    ...[good, capitals, organization].map((der, at) =>
      attack(
        `finalize: a good CSR, ${['as it is', 'with a common name', 'with an organization'][at] ?? ''}`,
        line(header({ url }), { csr: der.toString('base64url') }),
        signs,
      ),
    ),
    ...csrNames(keys.good),
    ...csrSubjects(keys.good),
    ...csrExtensions(keys.good),
    ...csrAttributes(keys.good),
    ...csrKeys(keys),
    ...csrEncodings(keys, good),
  ];
}

function csrNames(key: KeyObject): readonly Attack[] {
  const types = /only names of the types dns and ip/;
  const otherName = part(0xa0, [
    oid('1.3.6.1.4.1.311.20.2.3'),
    part(0xa0, [utf8('root@example.org')]),
  ]);
  const directory = part(0xa4, [subject([OID.commonName, 'evil.example'])]);
  const table: readonly (readonly [string, readonly DerPart[], string, RegExp?])[] = [
    ['another dNSName', [dnsName('evil.example')], 'identifiers', /for evil\.example$/],
    ['one more dNSName', [WWW, dnsName('evil.example')], 'max-identifiers'],
    ['a denied dNSName', [dnsName('admin.example.net')], 'deny.identifiers'],
    ['a wildcard', [dnsName('*.example.org')], 'identifiers'],
    ['a name below', [dnsName(`x.${NAME}`)], 'identifiers'],
    ['two final dots', [dnsName(`${NAME}..`)], 'identifiers'],
    ['a blank before the name', [dnsName(` ${NAME}`)], 'identifiers'],
    ['an address as a dNSName', [dnsName('192.0.2.7')], 'identifiers', /a number/],
    ['an address', [addressName(192, 0, 2, 7)], 'identifiers', /for 192\.0\.2\.7$/],
    ['an address beside the name', [WWW, addressName(192, 0, 2, 7)], 'max-identifiers'],
    ['e-mail beside the name', [WWW, emailName('a@example.org')], 'max-identifiers'],
    ['a URI beside the name', [WWW, uriName(`https://${NAME}`)], 'max-identifiers'],
    ['an otherName beside the name', [WWW, otherName], 'max-identifiers'],
    ['a directoryName beside the name', [WWW, directory], 'max-identifiers'],
    ['a registeredID beside the name', [WWW, part(0x88, oidContent('1.2.3.4'))], 'max-identifiers'],
    ['e-mail', [emailName('a@example.org')], 'identifiers', types],
    ['a URI', [uriName(`https://${NAME}`)], 'identifiers', types],
    ['an otherName', [otherName], 'identifiers', types],
    ['a directoryName', [directory], 'identifiers', types],
    ['a registeredID', [part(0x88, oidContent('1.2.3.4'))], 'identifiers', types],
    ['an x400Address', [WWW, part(0xa3, [utf8('x')])], 'csr', /unsupported type/],
    ['an ediPartyName', [WWW, part(0xa5, [utf8('x')])], 'csr', /unsupported type/],
    ['a NUL in the name', [dnsName(`${NAME}\u0000.evil.example`)], 'csr', /control characters/],
    ['a name beyond ASCII', [dnsName('www.ex\u0430mple.org')], 'csr', /beyond ASCII/],
    ['an address of 5 bytes', [addressName(192, 0, 2, 7, 0)], 'csr', /neither 4 nor 16/],
    ['an empty name', [dnsName('')], 'csr', /an empty text/],
    ['no alternative name', [], 'csr', /empty/],
  ];
  return table.map(([name, names, setting, reason]) =>
    finalize(name, makeRequest(key, { extensions: [altNames(...names)] }), setting, reason),
  );
}

function csrSubjects(key: KeyObject): readonly Attack[] {
  const cn = OID.commonName;
  const withSubject = (...attributes: Parameters<typeof subject>): Buffer =>
    makeRequest(key, { subject: subject(...attributes), extensions: [SAN] });
  const alone = (...attributes: Parameters<typeof subject>): Buffer =>
    makeRequest(key, { subject: subject(...attributes), attributes: [] });
  const utf16 = part(0x1e, Buffer.from(NAME, 'utf16le').swap16());
  return [
    finalize('another common name', withSubject([cn, 'evil.example']), 'max-identifiers'),
    finalize('two common names', withSubject([cn, NAME], [cn, 'evil.example']), 'max-identifiers'),
    finalize(
      'another common name alone',
      alone([cn, 'evil.example']),
      'identifiers',
      /for evil\.example$/,
    ),
    finalize('a common name in U-labels', alone([cn, 'www.ex\u0430mple.org']), 'identifiers'),
    finalize('a common name that is no name', alone([cn, 'Evil Corp']), 'identifiers'),
    finalize('one beside the name', withSubject([cn, 'Evil Corp']), 'max-identifiers'),
    finalize('an address as common name', withSubject([cn, '192.0.2.7']), 'max-identifiers'),
    finalize('a common name in UTF-16', withSubject([cn, utf16]), 'csr', /obsolete/),
    finalize('a common name with a NUL', withSubject([cn, `${NAME}\u0000`]), 'csr', /control/),
    finalize('emailAddress', withSubject([OID.emailAddress, 'a@example.org']), 'csr', /attribute/),
    finalize(
      'domainComponent',
      withSubject(['0.9.2342.19200300.100.1.25', 'evil']),
      'csr',
      /attrib/,
    ),
    finalize('serialNumber', withSubject(['2.5.4.5', '1']), 'csr', /attribute 2\.5\.4\.5/),
    finalize('nothing at all', makeRequest(key, { attributes: [] }), 'csr', /names nothing/),
  ];
}

function csrExtensions(key: KeyObject): readonly Attack[] {
  const withExtensions = (...extensions: readonly DerPart[]): Buffer =>
    makeRequest(key, { extensions: [SAN, ...extensions] });
  const usage = (...octets: readonly number[]): DerPart =>
    extension(OID.keyUsage, part(0x03, Buffer.from(octets)), true);
  const purpose = (id: string): DerPart => extension(OID.extendedKeyUsage, seq(oid(id)));
  return [
    finalize(
      'CA:TRUE',
      withExtensions(extension(OID.basicConstraints, seq(TRUE), true)),
      'csr',
      /basicConstraints/,
    ),
    finalize(
      'a path length',
      withExtensions(extension(OID.basicConstraints, seq(TRUE, integer(0)))),
      'csr',
      /basicConstraints/,
    ),
    finalize('keyCertSign', withExtensions(usage(2, 0x04)), 'csr', /asks to sign certificates/),
    finalize('cRLSign', withExtensions(usage(1, 0x82)), 'csr', /asks to sign certificates/),
    finalize('codeSigning', withExtensions(purpose('1.3.6.1.5.5.7.3.3')), 'csr', /neither/),
    finalize('any usage', withExtensions(purpose('2.5.29.37.0')), 'csr', /neither/),
    finalize(
      'name constraints',
      withExtensions(extension('2.5.29.30', seq())),
      'csr',
      /not expect/,
    ),
    finalize(
      'an unknown extension',
      withExtensions(extension('1.2.3.4', seq())),
      'csr',
      /1\.2\.3\.4/,
    ),
    finalize(
      'a second subjectAltName',
      withExtensions(altNames(dnsName('evil.example'))),
      'csr',
      /twice/,
    ),
  ];
}

function csrAttributes(key: KeyObject): readonly Attack[] {
  const withAttributes = (...attributes: readonly DerPart[]): Buffer =>
    makeRequest(key, { attributes });
  const challengePassword = seq(oid(OID.challengePassword), set(utf8('secret')));
  const template = seq(oid('1.3.6.1.4.1.311.13.2.1'), set(utf8('x')));
  return [
    finalize('challengePassword', withAttributes(extensionRequest(SAN), challengePassword), 'csr'),
    finalize(
      'challengePassword first',
      withAttributes(challengePassword, extensionRequest(SAN)),
      'csr',
      /attribute/,
    ),
    finalize('a template', withAttributes(template, extensionRequest(SAN)), 'csr', /attribute/),
    finalize(
      'two lists of extensions',
      withAttributes(extensionRequest(SAN), extensionRequest(altNames(dnsName('evil.example')))),
      'csr',
      /more than one attribute/,
    ),
  ];
}

function csrKeys(keys: SubjectKeys): readonly Attack[] {
  const of = (key: KeyObject, parts: RequestParts = {}): Buffer =>
    makeRequest(key, { extensions: [SAN], ...parts });
  const short = makeKeyPair('rsa', { modulusLength: 1024 }).privateKey;
  const ed25519 = makeKeyPair('ed25519').privateKey;
  const secp256k1 = makeKeyPair('ec', { namedCurve: 'secp256k1' }).privateKey;
  const ecdsaSha1 = seq(oid('1.2.840.10045.4.1'));
  return [
    finalize('an unpinned key', of(keys.unpinned), 'csr-keys', /the key of the CSR, [0-9a-f]{64}$/),
    finalize('an unpinned Ed25519 key', of(ed25519), 'csr-keys'),
    finalize('a denied key', of(keys.denied), 'deny.csr-keys'),
    finalize('a pinned RSA key', of(keys.rsa), 'csr-key-types', /with a key rsa-2048$/),
    finalize('a pinned P-384 key', of(keys.p384), 'csr-key-types', /with a key p384$/),
    finalize('a short RSA key', of(short), 'csr', /csr key/),
    finalize('another curve', of(secp256k1), 'csr', /csr key/),
    finalize(
      'a signature by another key',
      of(keys.good, { signer: keys.unpinned }),
      'csr',
      /wrong/,
    ),
    finalize(
      'an unpinned key, signed by a pinned one',
      of(keys.unpinned, { signer: keys.good }),
      'csr-keys',
    ),
    finalize('SHA-1', of(keys.good, { hash: 'sha1', algorithm: ecdsaSha1 }), 'csr', /weak/),
    finalize('SHA-1 that says SHA-256', of(keys.good, { hash: 'sha1' }), 'csr', /wrong/),
    finalize(
      'the algorithm of another kind of key',
      of(keys.good, { algorithm: seq(oid('1.3.101.112')) }),
      'csr',
      /of another algorithm than the key/,
    ),
  ];
}

function csrEncodings(keys: SubjectKeys, good: Buffer): readonly Attack[] {
  const changed = Buffer.from(good);
  changed[good.indexOf(NAME)] = 'x'.charCodeAt(0);
  const changedSubject = makeRequest(keys.good, {
    subject: subject([OID.organization, 'Evil Corp']),
    extensions: [SAN],
  });
  changedSubject[changedSubject.indexOf('Evil')] = 'X'.charCodeAt(0);
  const body = good.subarray(4);
  const indefinite = Buffer.concat([Buffer.of(0x30, 0x80), body, Buffer.of(0, 0)]);
  const long = Buffer.concat([Buffer.of(0x30, 0x83, 0), good.subarray(2, 4), body]);
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${good.toString('base64')}\n`;
  return [
    finalize('a name changed afterwards', changed, 'identifiers', /for xww\.example\.org$/),
    finalize('an organization changed afterwards', changedSubject, 'csr', /wrong/),
    finalize('bytes behind it', Buffer.concat([good, Buffer.of(0)]), 'csr', /bytes follow/),
    finalize('two of them', Buffer.concat([good, good]), 'csr', /bytes follow/),
    finalize('cut off', good.subarray(0, -1), 'csr', /not DER/),
    finalize('BER of indefinite length', indefinite, 'csr', /indefinite/),
    finalize('BER with a long length', long, 'csr', /not in its shortest form/),
    finalize('PEM', Buffer.from(pem), 'csr', /not DER/),
    finalize(
      'version 2',
      makeRequest(keys.good, { version: integer(1), extensions: [SAN] }),
      'csr',
      /version/,
    ),
    finalize('rubbish', Buffer.alloc(300, 0x30), 'csr', /not DER/),
  ];
}
