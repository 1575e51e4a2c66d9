// Attacks on the account: deactivation by its URL and whatever a CA may take for that, key change,
// contact update, new account, other keys and key IDs, other servers. Used by test processes only.

import type { JsonObject } from '../../../src/lib/json/json-value.js';
import {
  attack,
  both,
  byHeader,
  DEACTIVATE,
  denied,
  forbidden,
  header,
  headerWithout,
  KID,
  line,
  malformed,
  NAME,
  order,
  ORIGIN,
  signed,
  UNKNOWN,
  type Attack,
} from './attack.js';

/** Spellings of the account URL with the same origin, which a CA may take for it. */
const ALIASES: Readonly<Record<string, string>> = {
  'an empty query': `${KID}?`,
  'a query': `${KID}?x=1`,
  'a query with a slash': `${KID}?/`,
  'a dot segment': `${ORIGIN}/acct/./1`,
  'two dot segments': `${ORIGIN}/x/../acct/1`,
  'dot segments above the root': `${ORIGIN}/../../acct/1`,
  'percent-encoded dot segments': `${ORIGIN}/acct/x/%2e%2E/1`,
  'a percent-encoded letter': `${ORIGIN}/%61cct/1`,
  'a percent-encoded slash': `${ORIGIN}/acct%2F1`,
  'a percent-encoded NUL at its end': `${KID}%00`,
  'an upper-case host': 'https://CA.EXAMPLE/acct/1',
  'an upper-case path': `${ORIGIN}/ACCT/1`,
  'the default port': 'https://ca.example:443/acct/1',
  'the default port with a zero': 'https://ca.example:0443/acct/1',
  'an empty port': 'https://ca.example:/acct/1',
  'a trailing slash': `${KID}/`,
  'a double slash': `${ORIGIN}//acct/1`,
  'a path parameter': `${KID};x`,
};

/** URLs that nothing is signed for. */
const BAD_URLS: readonly (readonly [name: string, url: string, reason: RegExp])[] = [
  ['an empty fragment', `${KID}#`, /fragment|plain ASCII/],
  ['a fragment', `${KID}#x`, /fragment|plain ASCII/],
  ['a user', 'https://user@ca.example/acct/1', /user information|plain ASCII/],
  ['a user and a password', 'https://user:pw@ca.example/acct/1', /user information|plain ASCII/],
  ['an empty user', 'https://@ca.example/acct/1', /user information|plain ASCII/],
  ['the origin as a user', 'https://ca.example@evil.example/1', /user information|plain ASCII/],
  ['an upper-case scheme', 'HTTPS://ca.example/acct/1', /plain ASCII/],
  ['backslashes', 'https:\\\\ca.example\\acct\\1', /plain ASCII/],
  ['a backslash in the path', `${ORIGIN}/acct\\1`, /plain ASCII/],
  ['one slash', 'https:/ca.example/acct/1', /plain ASCII/],
  ['three slashes', 'https:///ca.example/acct/1', /plain ASCII/],
  ['a blank before it', ` ${KID}`, /plain ASCII/],
  ['a blank at its end', `${KID} `, /plain ASCII/],
  ['a tab in it', `${ORIGIN}/ac\tct/1`, /plain ASCII/],
  ['a line feed in it', `${ORIGIN}/ac\nct/1`, /plain ASCII/],
  ['a NUL at its end', `${KID}\u0000`, /plain ASCII/],
  ['an ideographic full stop', 'https://ca\u3002example/acct/1', /plain ASCII/],
  ['a full-width letter', 'https://\uff43a.example/acct/1', /plain ASCII/],
  ['no scheme', '//ca.example/acct/1', /plain ASCII/],
  ['a path alone', '/acct/1', /plain ASCII/],
  ['a percent-encoded host', 'https://c%61.example/acct/1', /host in another form/],
  ['a host with a final dot', 'https://ca.example./acct/1', /host in another form/],
  ['an address as one number', 'https://2130706433/acct/1', /host in another form/],
  ['http', 'http://ca.example/acct/1', /not https/],
  ['http on loopback', 'http://127.0.0.1/acct/1', /not https/],
  ['another scheme', 'ftp://ca.example/acct/1', /plain ASCII/],
];

/** @param jwk of the account key @param foreignJwk of another key */
export function accountAttacks(jwk: JsonObject, foreignJwk: JsonObject): readonly Attack[] {
  return [
    ...deactivations(),
    ...aliasesWithoutHarm(),
    ...keyChanges(jwk, foreignJwk),
    ...accountChanges(jwk),
    ...foreignKeys(jwk, foreignJwk),
    ...foreignPlaces(),
  ];
}

function deactivations(): readonly Attack[] {
  return [
    attack(
      'deactivation by the account URL',
      line(header({ url: KID }), DEACTIVATE),
      forbidden('deactivate-account'),
    ),
    attack(
      'deactivation with its members escaped',
      line(header({ url: KID }), '{"\\u0073tatus":"\\u0064eactivated"}'),
      forbidden('deactivate-account'),
    ),
    attack(
      'deactivation with blanks around',
      line(header({ url: KID }), ' \t\r\n{ "status" : "deactivated" }\n'),
      forbidden('deactivate-account'),
    ),
    attack(
      'deactivation by another URL',
      line(header(), DEACTIVATE),
      forbidden('deactivate-authorization'),
    ),
    // Not told from the deactivation of an authorization, so that is refused as well.
    ...Object.entries(ALIASES).map(([name, url]) =>
      attack(
        `deactivation by an alias: ${name}`,
        line(header({ url }), DEACTIVATE),
        forbidden('deactivate-authorization'),
      ),
    ),
    ...Object.entries(ALIASES)
      .slice(0, 3)
      .map(([name, url]) =>
        attack(
          `deactivation with the same alias as key ID: ${name}`,
          line(header({ kid: url, url }), DEACTIVATE),
          forbidden('deactivate-account'),
        ),
      ),
    ...BAD_URLS.map(([name, url, reason]) =>
      attack(
        `deactivation by a bad URL: ${name}`,
        line(header({ url }), DEACTIVATE),
        both(byHeader('url', reason)),
      ),
    ),
  ];
}

/** Legitimate in both set-ups: an empty payload reads, an empty object tells a CA nothing new. */
function aliasesWithoutHarm(): readonly Attack[] {
  const reads = both(signed('read'));
  const badUrl = both(byHeader('url'));
  return [
    ...Object.entries(ALIASES).map(([name, url]) =>
      attack(`reading the account by an alias: ${name}`, line(header({ url }), undefined), reads),
    ),
    attack('reading the account', line(header({ url: KID }), undefined), reads),
    attack(
      'an empty object to an alias',
      line(header({ url: `${KID}?` }), {}),
      both(signed('answer-challenge')),
    ),
    attack(
      'an empty object to the account',
      line(header({ url: KID }), {}),
      forbidden('update-account'),
    ),
    attack('reading by a bad URL', line(header({ url: `${KID}#x` }), undefined), badUrl),
    attack(
      'an order by a bad URL',
      line(header({ url: 'https://u@ca.example/x' }), order(NAME)),
      badUrl,
    ),
  ];
}

function keyChanges(jwk: JsonObject, foreignJwk: JsonObject): readonly Attack[] {
  const url = `${ORIGIN}/key-change`;
  const inner = { account: KID, oldKey: jwk };
  const innerHeader = { alg: 'ES256', jwk, url };
  const outer = { protected: 'e30', payload: 'e30', signature: 'AAAA' };
  return [
    attack('key change', line(header({ url }), outer), forbidden('key-change')),
    attack('key change to another URL', line(header({ url: KID }), outer), forbidden('key-change')),
    attack(
      'key change with an unprotected header',
      line(header({ url }), { ...outer, header: {} }),
      UNKNOWN,
    ),
    attack('inner object of a key change', line(innerHeader, inner), forbidden('key-change-inner')),
    attack(
      'inner object from another key',
      line({ ...innerHeader, jwk: foreignJwk }, { account: KID, oldKey: jwk }),
      both(byHeader('own-key')),
    ),
    attack('inner object with a nonce', line({ ...innerHeader, nonce: 'AAAA' }, inner), UNKNOWN),
    attack(
      'inner object with the key ID',
      line({ alg: 'ES256', kid: KID, url }, inner),
      both(denied('nonce', undefined)),
    ),
    attack(
      'inner object with a private key in it',
      line(innerHeader, { account: KID, oldKey: { ...jwk, d: 'AAAA' } }),
      both(denied('nonce', undefined)),
    ),
  ];
}

function accountChanges(jwk: JsonObject): readonly Attack[] {
  const url = `${ORIGIN}/new-account`;
  const withJwk = { alg: 'ES256', jwk, nonce: 'AAAA', url };
  const binding = { protected: 'e30', payload: 'e30', signature: 'AAAA' };
  const contact = ['mailto:evil@evil.example'];
  return [
    attack('contact update', line(header({ url: KID }), { contact }), forbidden('update-account')),
    attack(
      'contact update by an alias',
      line(header({ url: `${KID}/` }), { contact }),
      forbidden('update-account'),
    ),
    attack('contact removal', line(header(), { contact: [] }), forbidden('update-account')),
    attack(
      'agreement to new terms',
      line(header(), { termsOfServiceAgreed: true }),
      forbidden('update-account'),
    ),
    attack('new account', line(withJwk, { contact }), forbidden('new-account')),
    attack('new account of nothing', line(withJwk, {}), forbidden('new-account')),
    attack(
      'new account bound to another',
      line(withJwk, { externalAccountBinding: binding }),
      forbidden('new-account'),
    ),
    attack(
      'search of the account',
      line(withJwk, { onlyReturnExisting: true }),
      forbidden('find-account'),
    ),
    attack('deactivation with the key', line({ ...withJwk, url: KID }, DEACTIVATE), UNKNOWN),
    attack('reading with the key', line({ ...withJwk, url: KID }, undefined), UNKNOWN),
    attack('order with the key', line({ ...withJwk }, order(NAME)), UNKNOWN),
  ];
}

function foreignKeys(jwk: JsonObject, foreignJwk: JsonObject): readonly Attack[] {
  const url = `${ORIGIN}/new-account`;
  const byKey = (key: JsonObject): string =>
    line({ alg: 'ES256', jwk: key, nonce: 'AAAA', url }, { termsOfServiceAgreed: true });
  const ownKey = both(byHeader('own-key', /not this signer's key/));
  const oneOf = malformed(/exactly one of jwk and kid/);
  return [
    attack('jwk and kid', line(header({ jwk }), order(NAME)), oneOf),
    attack('a foreign jwk and kid', line(header({ jwk: foreignJwk }), order(NAME)), oneOf),
    attack('an empty jwk and kid', line(header({ jwk: {} }), order(NAME)), oneOf),
    attack('neither jwk nor kid', line(headerWithout('kid'), order(NAME)), oneOf),
    attack('a foreign jwk', byKey(foreignJwk), ownKey),
    attack('an empty jwk', byKey({}), ownKey),
    attack('the jwk with a private member', byKey({ ...jwk, d: 'AAAA' }), ownKey),
    attack('the jwk with a harmless member', byKey({ ...jwk, use: 'sig' }), ownKey),
    attack('the jwk without a member', byKey({ kty: 'EC', crv: 'P-256', x: 'AAAA' }), ownKey),
    attack('the jwk as an array', line(header({ jwk: [jwk] }), order(NAME)), malformed(/jwk is/)),
  ];
}

function foreignPlaces(): readonly Attack[] {
  const places: Readonly<Record<string, string>> = {
    'another host': 'https://other.example/new-order',
    'a host below': 'https://x.ca.example/new-order',
    'a host that begins alike': 'https://ca.example.evil.example/new-order',
    'another port': 'https://ca.example:8443/new-order',
    'an address': 'https://192.0.2.1/new-order',
  };
  const origin = {
    byKeyId: denied('key-id-only', 'new-order', /of another origin/),
    byPolicy: denied('issue.servers', 'new-order', /does not allow the server https:/),
  } as const;
  return [
    ...Object.entries(places).map(([name, url]) =>
      attack(`order from another origin: ${name}`, line(header({ url }), order(NAME)), origin),
    ),
    attack(
      'order from a denied origin',
      line(header({ url: 'https://evil.example/x' }), order(NAME)),
      {
        ...origin,
        byPolicy: denied('issue.deny.servers', 'new-order', /https:\/\/evil\.example/),
      },
    ),
    // The policy alone has no key ID to compare with; a CA takes the key for no other account than
    // its own.
    ...[`${ORIGIN}/acct/2`, `${KID}/`, 'https://CA.EXAMPLE/acct/1', '1', `${KID}\u0000`].map(
      (kid) =>
        attack(`a foreign kid: ${JSON.stringify(kid)}`, line(header({ kid }), order(NAME)), {
          byKeyId: denied('key-id-only', 'new-order', /kid is not the configured key ID/),
          byPolicy: signed('new-order'),
        }),
    ),
  ];
}
