// Attacks on the live daemon, over its socket: whoever has the key ID, or a policy that lets it
// issue one name, gets nothing else signed, and each attempt is on record. The tables are
// test/support/attack-*.ts.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { accountAttacks } from '../../support/attack/attack-account.js';
import {
  attackBlindly,
  attackOpenly,
  attackTogether,
  hashOf,
  makeAttackBed,
  type AttackBed,
  type AttackBedOptions,
} from '../../support/attack/attack-bed.js';
import { csrAttacks, makeSubjectKeys } from '../../support/attack/attack-csr.js';
import { nameAttacks } from '../../support/attack/attack-names.js';
import { syntaxAttacks } from '../../support/attack/attack-syntax.js';
import {
  GOOD_LINE,
  KID,
  NAME,
  ORIGIN,
  withBoth,
  type Attack,
  type Expected,
} from '../../support/attack/attack.js';
import { readRecords, verifyFiles } from '../../support/audit/audit-chain.js';
import { makeCertificateDer, spkiHash } from '../../support/requests/certificate-request.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import { mustRun } from '../../support/process.js';
import { suiteScope, type Scope } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const LEAST_REFUSED = 60;
/** Connections that are refused the same. */
const JOINED = 20;

const scope = suiteScope();
const key = makeKey('ES256');
const subjectKeys = makeSubjectKeys();
const { good, denied, rsa, p384 } = subjectKeys;
const pins = [good, denied, rsa, p384].map((each) => spkiHash(each).toString('hex'));
const folder = await makeTempDir(scope);
const foreignCertificate = await makeCertificateDer(folder, subjectKeys.unpinned, {
  alternatives: ['DNS:mail.example.net'],
});
const jwk = { ...jwkOfKey(key.publicKey) };
const ATTACKS: readonly Attack[] = [
  ...accountAttacks(jwk, { ...jwkOfKey(makeKey('ES256').publicKey) }),
  ...syntaxAttacks(),
  ...nameAttacks(foreignCertificate, jwk),
  ...csrAttacks(subjectKeys),
];

const KEY_ID = `keyid = ${JSON.stringify(KID)}\n`;
/** As narrow as it can be; what is denied as well has a rule of its own to show. */
const POLICY = `
[policy.issue]
operations = ["read", "new-order", "answer-challenge", "finalize"]
identifiers = [${JSON.stringify(NAME)}]
csr-keys = ${JSON.stringify(pins)}
csr-key-types = ["p256"]
max-identifiers = 1
servers = [${JSON.stringify(ORIGIN)}]
[policy.issue.deny]
operations = ["deactivate-account", "key-change"]
identifiers = ["admin.example.net", "**.secret.example.org"]
csr-keys = [${JSON.stringify(pins[1])}]
servers = ["https://evil.example"]
`;
const USE_POLICY = 'default-policy = "issue"\n';

/** The same key, in a token. */
async function importKey(suite: Scope): Promise<Pick<AttackBedOptions, 'privkey' | 'env'>> {
  const hsm = await createSoftHsm(suite);
  const token = await hsm.addToken('acme');
  const file = join(hsm.folder, 'account.pem');
  writeFileSync(file, key.pem, { mode: 0o600 });
  const login = ['--token', token.label, '--pin', token.pin];
  const args = ['--import', file, '--label', 'k', '--id', '01', ...login];
  await mustRun('softhsm2-util', args, { env: hsm.env });
  return { privkey: hsm.uri(token, { label: 'k' }), env: hsm.env };
}

it('no two attacks are the same', () => {
  assert.equal(new Set(ATTACKS.map(({ name }) => name)).size, ATTACKS.length);
  const byLine = new Map(ATTACKS.map(({ name, bytes }) => [hashOf(bytes), name]));
  const twice = ATTACKS.filter(({ name, bytes }) => byLine.get(hashOf(bytes)) !== name);
  assert.deepEqual(
    twice.map(({ name, bytes }) => `${name}, and ${byLine.get(hashOf(bytes)) ?? ''}`),
    [],
  );
});

interface SetUp {
  readonly name: string;
  readonly settings: string;
  readonly expected: (attack: Attack) => Expected;
  readonly place: (suite: Scope) => Promise<Pick<AttackBedOptions, 'privkey' | 'env'>>;
}

const SET_UPS: readonly SetUp[] = [
  {
    name: 'key-ID-only mode, without a policy',
    settings: KEY_ID,
    expected: ({ byKeyId }) => byKeyId,
    place: () => Promise.resolve({}),
  },
  {
    name: 'an issue-only policy',
    settings: `${USE_POLICY}${POLICY}`,
    expected: ({ byPolicy }) => byPolicy,
    place: () => Promise.resolve({}),
  },
  {
    name: 'an issue-only policy in key-ID-only mode, the key in a token',
    settings: `${KEY_ID}${USE_POLICY}${POLICY}`,
    expected: withBoth,
    place: importKey,
  },
];

for (const { name, settings, expected, place } of SET_UPS) {
  describe(`attacks on ${name}`, () => {
    const suite = suiteScope();
    let bed: AttackBed;

    before(async () => {
      bed = await makeAttackBed(suite, { key, settings, ...(await place(suite)) });
    });

    for (const attack of ATTACKS) {
      const { verdict } = expected(attack);
      it(`${attack.name}: ${verdict}`, async (t) => {
        await attackOpenly(t, bed, attack, expected(attack));
        await attackBlindly(bed, attack, expected(attack));
      });
    }

    it('are on record by their count and their hashes when many connections repeat one', async () => {
      const repeated = ATTACKS.find((attack) => expected(attack).verdict === 'denied');
      assert.ok(repeated !== undefined);
      await attackTogether(bed, repeated, expected(repeated), JOINED);
    });

    it('left a whole chain of records, with no signature but the legitimate ones', async () => {
      assert.ok(bed.daemon.process.isRunning);
      assert.equal((await bed.daemon.process.stop()).code, 0);
      const records = readRecords(bed.auditLog);
      const refused = ATTACKS.filter((attack) => expected(attack).verdict !== 'signed');
      assert.ok(refused.length >= LEAST_REFUSED, `${refused.length} attacks are refused`);
      const refusals = records.filter(
        ({ verdict }) => verdict === 'denied' || verdict === 'malformed',
      );
      const count = refusals.reduce((sum, record) => sum + (record.count ?? 1), 0);
      assert.equal(count, 2 * refused.length + JOINED);
      assert.ok(refusals.every(({ reason = '', code = '' }) => reason !== '' && code !== ''));

      const legitimate = ATTACKS.filter((attack) => !refused.includes(attack));
      const hashes = new Set(legitimate.map(({ bytes }) => hashOf(bytes.subarray(0, -2))));
      hashes.add(hashOf(GOOD_LINE));
      const signed = records.filter(({ verdict }) => verdict === 'signed');
      assert.ok(signed.length > refused.length / 2);
      assert.deepEqual(
        signed.filter(({ sha256 = '' }) => !hashes.has(sha256)),
        [],
      );

      assert.deepEqual(verifyFiles([bed.auditLog]).findings, []);
      const { code, stdout } = await runClavigerd(['audit', 'verify', bed.auditLog]);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /the chain holds$/m);
    });
  });
}
