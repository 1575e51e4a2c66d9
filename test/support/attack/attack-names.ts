// Attacks with names: orders for more than is allowed, names and types that two readers may take
// for different ones, dates, profiles, and requests about other people's certificates. Used by test
// processes only.

import type { JsonObject } from '../../../src/lib/json/json-value.js';
import {
  attack,
  both,
  denied,
  forPolicy,
  header,
  line,
  NAME,
  order,
  ORIGIN,
  signed,
  type Attack,
} from './attack.js';

/** @param foreignCertificate DER @param jwk of the account key */
export function nameAttacks(foreignCertificate: Buffer, jwk: JsonObject): readonly Attack[] {
  return [
    ...names(),
    ...types(),
    ...lists(),
    ...wishes(),
    ...otherRequests(foreignCertificate.toString('base64url'), jwk),
  ];
}

const ANOTHER = /^policy 'issue' does not allow new-order for \S+$/;
const NOT_ASCII = /not plain ASCII/;
const NOT_LDH = /not a domain name of letters, digits and hyphens/;
/** Names that the policy does not have, and what is said of them. */
const NAMES: readonly (readonly [name: string, value: string, reason: RegExp])[] = [
  ['another name', 'mail.example.net', ANOTHER],
  ['the name above', 'example.org', ANOTHER],
  ['a name below', `x.${NAME}`, ANOTHER],
  ['a name that ends alike', `x${NAME}`, ANOTHER],
  ['a name that begins alike', `${NAME}.evil.example`, ANOTHER],
  ['the wildcard over it', '*.example.org', ANOTHER],
  ['a wildcard below it', `*.${NAME}`, ANOTHER],
  ['a wildcard of all', '*', NOT_LDH],
  ['a wildcard over a top-level domain', '*.org', ANOTHER],
  ['a wildcard in a label', 'w*.example.org', NOT_LDH],
  ['a wildcard inside', 'www.*.org', NOT_LDH],
  ['two wildcards', '*.*.example.org', NOT_LDH],
  ['a Cyrillic letter', 'www.ex\u0430mple.org', NOT_ASCII],
  ['a Cyrillic letter, as an A-label', 'www.xn--exmple-4nf.org', ANOTHER],
  ['full-width letters', '\uff57\uff57\uff57.example.org', NOT_ASCII],
  ['an ideographic full stop', 'www\u3002example.org', NOT_ASCII],
  ['a long s', 'www.example.org\u017f', NOT_ASCII],
  ['a soft hyphen', 'www.exam\u00adple.org', NOT_ASCII],
  ['a zero width space', 'www.example.org\u200b', NOT_ASCII],
  ['CR LF in low bytes', 'www.example.org\u010d\u010aAAAA\u010d\u010a', NOT_ASCII],
  ['a combining dot', 'www.example.org\u0307', NOT_ASCII],
  ['a false A-label', 'xn--example.example.org', /is no A-label/],
  ['an empty A-label', 'xn--.example.org', /not a domain name|is no A-label/],
  ['two final dots', `${NAME}..`, NOT_LDH],
  ['an empty label', 'www..example.org', NOT_LDH],
  ['a first dot', `.${NAME}`, NOT_LDH],
  ['a dot', '.', NOT_LDH],
  ['a blank before it', ` ${NAME}`, /plain ASCII|not a domain name/],
  ['a blank behind it', `${NAME} `, /plain ASCII|not a domain name/],
  ['a tab behind it', `${NAME}\t`, NOT_ASCII],
  ['a line feed in it', `${NAME}\nevil.example`, NOT_ASCII],
  ['a NUL in it', `${NAME}\u0000.evil.example`, NOT_ASCII],
  ['a NUL behind it', `${NAME}\u0000`, NOT_ASCII],
  ['two names', `${NAME},evil.example`, NOT_LDH],
  ['a port', `${NAME}:443`, NOT_LDH],
  ['a path', `${NAME}/evil`, NOT_LDH],
  ['a user', `evil.example@${NAME}`, NOT_LDH],
  ['a URL', `https://${NAME}`, NOT_LDH],
  ['percent-encoding', 'www%2eexample.org', NOT_LDH],
  ['an escaped dot', 'www\\.example.org', NOT_LDH],
  ['an underscore', '_acme-challenge.www.example.org', NOT_LDH],
  ['a hyphen at an edge', '-www.example.org', NOT_LDH],
  ['a label of 64', `${'a'.repeat(64)}.example.org`, NOT_LDH],
  ['a name of 255', `${'a.'.repeat(122)}example.org`, /it is too long/],
  ['a number for a name', '3221225991', /last label is a number/],
  ['an address for a name', '192.0.2.7', /last label is a number/],
  ['an IPv6 address for a name', '2001:db8::1', NOT_LDH],
];

function names(): readonly Attack[] {
  return [
    ...NAMES.map(([name, value, reason]) =>
      attack(
        `order: ${name}`,
        line(header(), order(value)),
        forPolicy('identifiers', 'new-order', reason),
      ),
    ),
    attack(
      'order: a denied name',
      line(header(), order('admin.example.net')),
      forPolicy('deny.identifiers', 'new-order', /for admin\.example\.net$/),
    ),
    attack(
      'order: a denied name in capitals',
      line(header(), order('ADMIN.example.net.')),
      forPolicy('deny.identifiers', 'new-order'),
    ),
    attack(
      'order: a wildcard over a denied name',
      line(header(), order('*.example.net')),
      forPolicy('deny.identifiers', 'new-order'),
    ),
    attack(
      'order: a name below a denied one',
      line(header(), order('x.secret.example.org')),
      forPolicy('deny.identifiers', 'new-order'),
    ),
    attack(
      'order: a wildcard over denied names',
      line(header(), order('*.secret.example.org')),
      forPolicy('deny.identifiers', 'new-order'),
    ),
    // Legitimate: RFC 8555 §9.7.7 names, which differ in case or a final dot, are one name.
    ...['WWW.Example.ORG', `${NAME}.`].map((name) =>
      attack(`order: the name as ${name}`, line(header(), order(name)), both(signed('new-order'))),
    ),
  ];
}

function types(): readonly Attack[] {
  const onlyTypes = /only names of the types dns and ip/;
  const table: readonly (readonly [type: string, value: string, reason: RegExp])[] = [
    ['DNS', NAME, onlyTypes],
    ['Dns', NAME, onlyTypes],
    ['dns ', NAME, onlyTypes],
    [' dns', NAME, onlyTypes],
    ['dns\u0000', NAME, onlyTypes],
    ['d\u1d0fs', NAME, onlyTypes],
    ['dnsName', NAME, onlyTypes],
    ['email', `root@${NAME}`, onlyTypes],
    ['uri', `https://${NAME}`, onlyTypes],
    ['permanent-identifier', NAME, onlyTypes],
    ['TNAuthList', 'F83n2a', onlyTypes],
    ['__proto__', NAME, onlyTypes],
    ['ip', NAME, /it is not an IP address/],
    ['ip', '192.0.2.7', /for 192\.0\.2\.7$/],
    ['ip', '::ffff:192.0.2.7', /IPv4 address inside an IPv6/],
    ['ip', '::1', /for ::1$/],
    ['ip', '192.0.2.07', /it is not an IP address/],
    ['ip', '0xc0.0.2.7', /it is not an IP address/],
    ['ip', '192.0.2.0/24', /it is not an IP address/],
    ['ip', 'fe80::1%eth0', /it is not an IP address/],
  ];
  return table.map(([type, value, reason]) =>
    attack(
      `order: type ${JSON.stringify(type)} for ${value}`,
      line(header(), { identifiers: [{ type, value }] }),
      forPolicy('identifiers', 'new-order', reason),
    ),
  );
}

function lists(): readonly Attack[] {
  const tooMany = forPolicy('max-identifiers', 'new-order', /allows at most 1 name in a request/);
  const many = Array.from({ length: 300 }, (_, at) => `n${at}.example.org`);
  return [
    attack('order: a second name', line(header(), order(NAME, 'evil.example')), tooMany),
    attack('order: a second name before it', line(header(), order('evil.example', NAME)), tooMany),
    attack('order: 300 names', line(header(), order(...many)), tooMany),
    attack(
      'order: a second name of another type',
      line(header(), {
        identifiers: [...identifiersOf(NAME), { type: 'email', value: 'a@b.example' }],
      }),
      tooMany,
    ),
    // Legitimate: one name, however often it stands there.
    attack(
      'order: the name twice',
      line(header(), order(NAME, 'WWW.EXAMPLE.ORG.')),
      both(signed('new-order')),
    ),
  ];
}

function identifiersOf(...values: readonly string[]): readonly JsonObject[] {
  return values.map((value) => ({ type: 'dns', value }));
}

function wishes(): readonly Attack[] {
  const wish = (name: string, members: JsonObject, setting: string): Attack =>
    attack(
      `order: ${name}`,
      line(header(), { ...order(NAME), ...members }),
      forPolicy(setting, 'new-order'),
    );
  const renewal = { 'end-date': '2030-01-01T00:00:00Z', lifetime: 3600 };
  return [
    wish('notBefore', { notBefore: '2027-01-01T00:00:00Z' }, 'validity'),
    wish('notAfter', { notAfter: '2049-01-01T00:00:00Z' }, 'validity'),
    wish('notAfter that is no date', { notAfter: 'never' }, 'validity'),
    wish('auto-renewal', { 'auto-renewal': renewal }, 'validity'),
    wish(
      'auto-renewal and notAfter',
      { 'auto-renewal': renewal, notAfter: '2030-01-01T00:00:00Z' },
      'validity',
    ),
    wish('a profile', { profile: 'longlived' }, 'profiles'),
    wish('a profile of a blank', { profile: ' ' }, 'profiles'),
    // Legitimate: RFC 9773 §5, tells the CA which certificate this one follows.
    attack(
      'order: replaces',
      line(header(), { ...order(NAME), replaces: 'AAAA.AAAA' }),
      both(signed('new-order')),
    ),
  ];
}

/** Known operations that a client of the key ID has by DESIGN, and one of the policy has not. */
function otherRequests(certificate: string, jwk: JsonObject): readonly Attack[] {
  const url = `${ORIGIN}/revoke-cert`;
  const revocation = { certificate, reason: 1 };
  return [
    attack(
      'revocation of a foreign certificate',
      line(header({ url }), revocation),
      forPolicy('operations', 'revoke-certificate'),
    ),
    attack(
      'revocation of no certificate',
      line(header({ url }), { certificate: 'AAAA' }),
      forPolicy('operations', 'revoke-certificate'),
    ),
    attack('revocation with the key', line({ alg: 'ES256', jwk, nonce: 'AAAA', url }, revocation), {
      byKeyId: denied('key-id-only', 'revoke-certificate', /with a jwk/),
      byPolicy: denied('issue.operations', 'revoke-certificate'),
    }),
    attack(
      'new authorization',
      line(header(), { identifier: { type: 'dns', value: NAME } }),
      forPolicy('operations', 'new-authorization'),
    ),
    attack(
      'cancellation of an order',
      line(header(), { status: 'canceled' }),
      forPolicy('operations', 'cancel-order'),
    ),
  ];
}
