// What claviger and lacme need of a policy, found out with Pebble: each gets its certificates under
// the tightest policy for them, with and without key-ID-only mode, and is refused with one step
// less.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  prepareClaviger,
  writeAccountKey,
  type ClavigerSetup,
} from '../../support/client/claviger.js';
import { prepareLacme } from '../../support/daemon/lacme.js';
import { isRevoked, startPebble, type Pebble } from '../../support/client/pebble.js';
import { suiteScope, type Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';
import {
  makeServerKey,
  pinOf,
  startWithPolicies,
  tightPolicy,
  type PolicyBed,
  type TightSettings,
} from '../../support/requests/tight-policy.js';

const NAMES = ['a.tight.test', 'b.tight.test', 'c.tight.test'];
const REGISTER = ['account', 'register', '--agree-tos', '--contact=mailto:admin@example.org'];
const MODES = ['without a key ID', 'with a key ID'] as const;
const KEY_TYPES = ['p256', 'rsa'] as const;

type KeyType = (typeof KEY_TYPES)[number];

describe('the tightest policy', () => {
  const scope = suiteScope();
  let pebble: Pebble;
  let folder = '';
  let privkey = '';
  let keyId = '';
  let origin = '';
  const keys = { p256: '', rsa: '' };

  before(async () => {
    // Nothing is asked twice, so that budgets and operations are exactly what an order needs.
    pebble = await startPebble(scope, { nonceReject: 0, authzReuse: 0 });
    ({ origin } = new URL(pebble.directoryUrl));
    folder = await makeTempDir(scope);
    privkey = await writeAccountKey(scope, 'ES256');
    for (const type of KEY_TYPES) {
      keys[type] = await makeServerKey(join(folder, `${type}.key`), type);
    }
    const bed = await startWithPolicies(scope, { privkey, keyId: undefined }, {});
    const admin = await prepareClaviger(scope, pebble, { socket: bed.path('admin') });
    const registered = await admin.run(REGISTER);
    assert.equal(registered.code, 0, registered.stderr);
    const shown = await admin.run(['account', 'show']);
    keyId = /https:\/\/\S+/.exec(shown.stdout)?.[0] ?? '';
    assert.ok(keyId.startsWith(origin), shown.stdout);
  });

  function tight(type: KeyType, mode: (typeof MODES)[number]): Promise<TightSettings> {
    const server = { names: NAMES, key: keys[type], keyType: type, server: origin };
    return tightPolicy({ ...server, keyId: keyIdIn(mode) });
  }

  function keyIdIn(mode: (typeof MODES)[number]): string | undefined {
    return mode === 'with a key ID' ? keyId : undefined;
  }

  function start(
    t: Scope,
    mode: (typeof MODES)[number],
    policies: Readonly<Record<string, TightSettings>>,
  ): Promise<PolicyBed> {
    return startWithPolicies(t, { privkey, keyId: keyIdIn(mode) }, policies);
  }

  async function issue(claviger: ClavigerSetup, type: KeyType, names = NAMES) {
    const files = [`--key=${keys[type]}`, '--fullchain=full.pem'];
    return await claviger.run(['issue', ...names, ...files]);
  }

  async function assertIssued(path: string): Promise<void> {
    const leaf = new X509Certificate(await readFile(path, 'utf8'));
    assert.deepEqual(
      leaf.subjectAltName?.split(', ').sort(),
      NAMES.map((name) => `DNS:${name}`),
    );
  }

  /** What the policy lists is what was used: none of it could be left out. */
  function assertMinimal(bed: PolicyBed, listener: string, settings: TightSettings): void {
    const records = bed.recordsOf(listener);
    const operations = new Set(records.map(({ operation }) => operation));
    assert.deepEqual([...operations].sort(), [...settings.operations].sort());
    assert.ok(records.every(({ verdict, policy }) => verdict === 'signed' && policy === listener));
  }

  it('does not register: the administrator does, on a socket without it', async (t) => {
    const settings = { ...(await tight('p256', 'without a key ID')), budgets: [] };
    const account = { privkey: await writeAccountKey(t, 'ES256'), keyId: undefined };
    const bed = await startWithPolicies(t, account, { web: settings });
    const narrow = await prepareClaviger(t, pebble, { socket: bed.path('web') });
    const unknown = await issue(narrow, 'p256');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /accountDoesNotExist/);
    const refused = await narrow.run(REGISTER);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the signer's policy 'web' does not allow new-account$/m);

    const admin = await prepareClaviger(t, pebble, { socket: bed.path('admin') });
    const registered = await admin.run(REGISTER);
    assert.equal(registered.code, 0, registered.stderr);
    const issued = await issue(narrow, 'p256');
    assert.equal(issued.code, 0, issued.stderr);
    await assertIssued(join(narrow.folder, 'full.pem'));
  });

  for (const mode of MODES) {
    for (const type of KEY_TYPES) {
      it(`lets claviger issue, ${mode}, ${type}`, async (t) => {
        const settings = await tight(type, mode);
        const bed = await start(t, mode, { web: settings });
        const claviger = await prepareClaviger(t, pebble, { socket: bed.path('web') });
        const issued = await issue(claviger, type);
        assert.equal(issued.code, 0, issued.stderr);
        await assertIssued(join(claviger.folder, 'full.pem'));
        assertMinimal(bed, 'web', settings);

        const again = await issue(claviger, type);
        assert.equal(again.code, 1, 'the budgets are used up');
        assert.match(
          again.stderr,
          /the signer's policy 'web' allows "1 (find-account|new-order) per 1d", which is used up; there is room again in 1 day$/m,
        );
        assert.match(again.stderr, /hint: wait, or have the budget raised where clavigerd runs/);
      });

      it(`lets lacme issue, ${mode}, ${type}`, async (t) => {
        const settings = await tight(type, mode);
        const bed = await start(t, mode, { web: settings });
        const lacme = await prepareLacme(
          {
            folder: await makeTempDir(t),
            server: pebble.directoryUrl,
            caFile: pebble.caFile,
            httpPort: pebble.httpPort,
            signer: { socket: bed.path('web') },
            serverKey: keys[type],
          },
          NAMES,
        );
        const issued = await lacme.run('newOrder', 'test');
        assert.equal(issued.code, 0, issued.stderr);
        await assertIssued(lacme.certificate);
        assertMinimal(bed, 'web', settings);

        const again = await lacme.run('newOrder', '--force', 'test');
        assert.notEqual(again.code, 0, 'the budgets are used up');
        const last = bed.recordsOf('web').at(-1);
        assert.deepEqual([last?.verdict, last?.rule], ['rate-limited', 'web.budgets']);
      });
    }

    it(`lets claviger renew, ${mode}`, async (t) => {
      const settings = { ...(await tight('rsa', mode)), budgets: ['2 finalize per 1d'] };
      const bed = await start(t, mode, { web: settings });
      const claviger = await prepareClaviger(t, pebble, { socket: bed.path('web') });
      const section = `[[certificate]]\nnames = ${JSON.stringify(NAMES)}\nkey = ${JSON.stringify(keys.rsa)}\nfullchain = "${join(claviger.folder, 'full.pem')}"\n`;
      await appendFile(claviger.config, section);
      for (const args of [['renew'], ['renew', '--force']]) {
        const renewed = await claviger.run(args);
        assert.equal(renewed.code, 0, renewed.stderr);
        await assertIssued(join(claviger.folder, 'full.pem'));
      }
      assertMinimal(bed, 'web', settings);
    });

    it(`refuses with one step less, and claviger says which, ${mode}`, async (t) => {
      const settings = { ...(await tight('p256', mode)), budgets: [] };
      const { operations } = settings;
      const pin = await pinOf(keys.p256);
      const steps: readonly (readonly [string, Partial<TightSettings>, string])[] = [
        ...operations.map(
          (left) =>
            [
              `no-${left}`,
              { operations: operations.filter((each) => each !== left) },
              `does not allow ${left}`,
            ] as const,
        ),
        [
          'name',
          { identifiers: NAMES.slice(0, 2) },
          `does not allow new-order for ${NAMES[2] ?? ''}`,
        ],
        [
          'count',
          { 'max-identifiers': 2 },
          'allows at most 2 names in a request, and this has more',
        ],
        [
          'pin',
          { 'csr-keys': [await pinOf(keys.rsa)] },
          `does not allow the key of the CSR, ${pin}`,
        ],
        ['type', { 'csr-key-types': ['rsa'] }, 'does not allow a CSR with a key p256'],
        ['profile', { profiles: ['short'] }, 'does not allow an order without a profile'],
        ['server', { servers: ['https://ca.test'] }, `does not allow the server ${origin}`],
        [
          'denied',
          { deny: { identifiers: ['b.tight.test'] } },
          'does not allow new-order for b.tight.test',
        ],
        [
          'budget',
          { budgets: ['2 answer-challenge per 1d'] },
          'allows "2 answer-challenge per 1d", which is used up; there is room again in 1 day',
        ],
      ];
      const policies = steps.map(([name, less]) => [name, { ...settings, ...less }] as const);
      const bed = await start(t, mode, Object.fromEntries(policies));
      for (const [name, , problem] of steps) {
        const claviger = await prepareClaviger(t, pebble, { socket: bed.path(name) });
        const refused = await issue(claviger, 'p256');
        assert.equal(refused.code, 1, name);
        assert.ok(
          refused.stderr.includes(`the signer's policy '${name}' ${problem}\n`),
          `${name}: ${refused.stderr}`,
        );
        const last = bed.recordsOf(name).filter(({ verdict }) => verdict !== 'signed');
        assert.ok(last.length > 0, name);
        assert.ok(last.every(({ reason }) => reason === `policy '${name}' ${problem}`));
      }
    });

    it(`lets claviger revoke what has those names, and only that, ${mode}`, async (t) => {
      const { operations, ...names } = await tight('p256', mode);
      const revoking = {
        ...names,
        budgets: ['1 revoke-certificate per 1d'],
        operations: ['revoke-certificate', ...operations.filter((each) => each === 'find-account')],
      };
      const bed = await start(t, mode, {
        web: revoking,
        other: { ...revoking, identifiers: NAMES.slice(1) },
      });
      const admin = await prepareClaviger(t, pebble, { socket: bed.path('admin') });
      const issued = await issue(admin, 'p256');
      assert.equal(issued.code, 0, issued.stderr);
      const pem = join(admin.folder, 'full.pem');
      const refused = await admin.run(['revoke', pem, `--socket=${bed.path('other')}`]);
      assert.equal(refused.code, 1);
      assert.ok(
        refused.stderr.includes(
          `the signer's policy 'other' does not allow revoke-certificate for ${NAMES[0] ?? ''}\n`,
        ),
        refused.stderr,
      );
      assert.equal(await isRevoked(pebble, await readFile(pem, 'utf8')), false);
      const revoked = await admin.run(['revoke', pem, `--socket=${bed.path('web')}`]);
      assert.equal(revoked.code, 0, revoked.stderr);
      assert.equal(await isRevoked(pebble, await readFile(pem, 'utf8')), true);
      assertMinimal(bed, 'web', revoking);
    });

    it(`refuses lacme one step less, ${mode}`, async (t) => {
      const settings = await tight('p256', mode);
      const bed = await start(t, mode, {
        name: { ...settings, identifiers: NAMES.slice(1) },
        pin: { ...settings, 'csr-keys': [await pinOf(keys.rsa)] },
      });
      for (const [name, rule, operation] of [
        ['name', 'name.identifiers', 'new-order'],
        ['pin', 'pin.csr-keys', 'finalize'],
      ] as const) {
        const lacme = await prepareLacme(
          {
            folder: await makeTempDir(t),
            server: pebble.directoryUrl,
            caFile: pebble.caFile,
            httpPort: pebble.httpPort,
            signer: { socket: bed.path(name) },
            serverKey: keys.p256,
          },
          NAMES,
        );
        const refused = await lacme.run('newOrder', 'test');
        assert.notEqual(refused.code, 0);
        const last = bed.recordsOf(name).at(-1);
        assert.deepEqual([last?.verdict, last?.rule, last?.operation], ['denied', rule, operation]);
      }
    });
  }

  it('is what claviger tells instead of a lost connection', async (t) => {
    const bed = await start(t, 'with a key ID', { web: await tight('p256', 'with a key ID') });
    const claviger = await prepareClaviger(t, pebble, { socket: bed.path('web') });
    const refused = await issue(claviger, 'p256', ['mail.example.net']);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^claviger: error: (new order: )?the signer's policy 'web' does not allow new-order for mail\.example\.net$/m,
    );
    assert.match(
      refused.stderr,
      /hint: what the account key signs is decided where clavigerd runs; the rule is web\.identifiers/,
    );
    assert.doesNotMatch(refused.stderr, /connection/);
  });
});
