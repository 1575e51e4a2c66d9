import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainPolicy } from '../../../src/policy/explain-policy.js';
import { parseNamedPolicy } from '../../../src/policy/named-policy.js';
import type { PolicySettings } from '../../../src/policy/policy-settings.js';

const HASH = 'a5'.repeat(32);

function explain(settings: PolicySettings, keyId?: string): string[] {
  const policy = parseNamedPolicy('web', settings, ({ problem }) => assert.fail(problem));
  return explainPolicy(policy, { keyId, account: 'default' });
}

describe('explainPolicy', () => {
  it('says when nothing is allowed', () => {
    assert.deepEqual(explain({}), ["Policy 'web' allows nothing."]);
    assert.deepEqual(explain({ operations: ['key-change'] }, 'https://ca.example/acct/1'), [
      "Policy 'web' allows nothing.",
      "It lists key-change, but account 'default' has a key ID, which takes account management away.",
    ]);
  });

  it('says when nothing is allowed because the account is of another server', () => {
    const keyId = 'https://ca.example/acct/1';
    const operations = ['read'];
    for (const settings of [
      { servers: ['https://other.example'] },
      { servers: [] },
      { deny: { servers: ['https://ca.example'] } },
    ]) {
      assert.deepEqual(explain({ operations, ...settings }, keyId), [
        "Policy 'web' allows nothing.",
        "Account 'default' is one of https://ca.example, a server it does not allow.",
      ]);
      assert.equal(explain({ operations, ...settings })[0], "Policy 'web' allows read.");
    }
  });

  it('tells a narrow policy', () => {
    const settings = {
      operations: ['finalize', 'new-order', 'read', 'deactivate-account'],
      identifiers: ['www.example.org', '*.Bücher.example', '**.example.net', '192.0.2.0/24'],
      'max-identifiers': 1,
      'csr-key-types': ['p256', 'rsa>=3072'],
      'csr-keys': [HASH],
      servers: ['https://ca.example'],
      budgets: [
        '5 new-order per 1d',
        '2 finalize per 12h per identifier per listener',
        '1 read per 1h',
      ],
      deny: { identifiers: ['admin.example.net'], operations: ['read'] },
    };
    assert.deepEqual(explain(settings, 'https://ca.example/acct/1'), [
      "Policy 'web' allows new-order and finalize.",
      'It lists read, but denies it.',
      "It lists deactivate-account, but account 'default' has a key ID, which takes account management away.",
      'Servers: only https://ca.example.',
      'Requests name the account https://ca.example/acct/1 and go to its server.',
      'Names in orders, CSRs and certificates to revoke: only www.example.org, names one label below xn--bcher-kva.example, names at any depth below example.net or addresses in 192.0.2.0/24.',
      'Never admin.example.net, nor a wildcard that would cover a single name of these.',
      'No wildcards.',
      'At most 1 name in a request.',
      'Keys in CSRs: only p256 or RSA of at least 3072 bits.',
      `Keys in CSRs: only those with the SHA-256 ${HASH}.`,
      'Orders name no profile.',
      'Orders name no dates.',
      "At most 5 new-order in any 1 day, all listeners of account 'default' with this policy together.",
      'At most 2 finalize for each name in any 12 hours, each listener for itself.',
    ]);
  });

  it('tells a wide policy', () => {
    const settings = {
      operations: ['new-order', 'finalize'],
      identifiers: ['**', '192.0.2.7'],
      'allow-wildcards': true,
      profiles: ['', 'shortlived'],
      validity: { max: '90d', ahead: '1d' },
      deny: { servers: ['https://old.example'], 'csr-keys': [HASH] },
    };
    assert.deepEqual(explain(settings), [
      "Policy 'web' allows new-order and finalize.",
      'Servers: not https://old.example.',
      'Names in orders, CSRs and certificates to revoke: only any DNS name or the address 192.0.2.7.',
      'Wildcards are allowed where a pattern allows them.',
      'Keys in CSRs: any type, RSA of at least 2048 bits.',
      `Keys in CSRs: not ${HASH}.`,
      'Orders name no profile or shortlived.',
      'Orders may name a notAfter, at most 90 days after their notBefore, or after now.',
      'Orders may name a notBefore, at most 1 day ahead.',
    ]);
  });

  it('tells what is missing', () => {
    const sentences = explain({
      operations: ['new-order'],
      profiles: [],
      validity: { ahead: '1h' },
    });
    assert.ok(
      sentences.includes('No name is allowed, so every request that carries one is refused.'),
    );
    assert.ok(sentences.includes('Orders name a profile, but none is allowed.'));
    assert.ok(sentences.includes('Orders name no notAfter.'));
    assert.ok(
      explain({ operations: ['new-order'], validity: { max: '1d' } }).includes(
        'Orders may name a notBefore within 5 minutes of now.',
      ),
    );
  });
});
