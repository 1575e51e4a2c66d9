// What a run leaves behind for the next one: an order that is not finished, a key without its
// certificate, a certificate that cannot be used.

import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { prepareIssue, type IssueSetup } from '../../support/client/claviger-issue.js';
import { makeAuthority, newKey, pemOf } from '../../support/client/test-ca.js';
import type { AcmeServerOptions, Endpoint } from '../../support/client/acme-server.js';
import type { Scope } from '../../support/scope.js';

const PENDING = '.key.pem.pending';
const SHORT = '--timeout=2';

function countOf({ server }: IssueSetup, endpoint: Endpoint): number {
  return server.calls.filter((call) => call === endpoint).length;
}

/** A CA whose endpoint is in trouble until it is mended. */
async function prepareTrouble(
  scope: Scope,
  endpoint: Endpoint,
  options: AcmeServerOptions = {},
): Promise<{ readonly bed: IssueSetup; readonly mend: () => void }> {
  let isBroken = true;
  const bed = await prepareIssue(scope, {
    ...options,
    misbehave: (call) =>
      isBroken && call.endpoint === endpoint ? { status: 500, body: 'no' } : undefined,
  });
  return {
    bed,
    mend: () => {
      isBroken = false;
    },
  };
}

/** The files of the state directory but for the lock of the certificate, which stays. */
async function remembered({ folder }: IssueSetup): Promise<readonly string[]> {
  const files = await readdir(join(folder, 'state'));
  return files.filter((name) => !name.startsWith('lock-'));
}

async function assertInstalled(bed: IssueSetup): Promise<void> {
  const { folder } = bed;
  const leaf = new X509Certificate(await readFile(join(folder, 'cert.pem')));
  const key = createPublicKey(await readFile(join(folder, 'key.pem')));
  assert.ok(leaf.publicKey.equals(key));
  assert.equal((await stat(join(folder, 'key.pem'))).mode & 0o777, 0o600);
  const left = await readdir(folder);
  assert.equal(left.includes(PENDING), false);
  assert.deepEqual(await remembered(bed), []);
}

describe('an order that a run could not finish', () => {
  it('at the download keeps its certificate and its key for the next run', async (t) => {
    const { bed, mend } = await prepareTrouble(t, 'certificate');
    const first = await bed.issue(SHORT);
    assert.equal(first.code, 1);
    assert.match(first.stderr, /error: certificate: HTTP status 500/);
    const pending = await readFile(join(bed.folder, PENDING), 'utf8');
    assert.equal((await stat(join(bed.folder, PENDING))).mode & 0o777, 0o600);
    const [state = '', ...others] = await remembered(bed);
    assert.match(state, /^order-[0-9a-f]{32}\.json$/);
    assert.deepEqual(others, []);
    assert.doesNotMatch(await readFile(join(bed.folder, 'state', state), 'utf8'), /PRIVATE/);
    mend();
    const second = await bed.issue();
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /going on with the order of an earlier run for a\.test, b\.test/);
    assert.deepEqual([countOf(bed, 'newOrder'), countOf(bed, 'finalize')], [1, 1]);
    assert.equal(await readFile(join(bed.folder, 'key.pem'), 'utf8'), pending);
    await assertInstalled(bed);
  });

  it('at the finalization is finalized by the next run', async (t) => {
    let isBroken = true;
    const bed = await prepareIssue(t, {
      misbehave: ({ endpoint, usual }) => {
        if (isBroken && endpoint === 'finalize') {
          return { status: 500, body: 'no' };
        }
        // Nothing was finalized: the order stays ready.
        const text = JSON.stringify(usual.body);
        return isBroken && endpoint === 'order'
          ? { body: text.replace('"status":"valid"', '"status":"ready"') }
          : undefined;
      },
    });
    const first = await bed.issue();
    assert.equal(first.code, 1);
    assert.match(first.stderr, /error: finalize: HTTP status 500/);
    assert.equal(countOf(bed, 'finalize'), 4);
    isBroken = false;
    const second = await bed.issue();
    assert.equal(second.code, 0, second.stderr);
    assert.equal(countOf(bed, 'newOrder'), 1);
    await assertInstalled(bed);
  });

  it('at an authorization is proved by the next run', async (t) => {
    const { bed, mend } = await prepareTrouble(t, 'authorization');
    assert.equal((await bed.issue(SHORT)).code, 1);
    mend();
    assert.equal((await bed.issue()).code, 0);
    assert.equal(countOf(bed, 'newOrder'), 1);
    await assertInstalled(bed);
  });

  it('is not needed: without what is remembered a new one is placed', async (t) => {
    const { bed, mend } = await prepareTrouble(t, 'certificate');
    assert.equal((await bed.issue(SHORT)).code, 1);
    await rm(join(bed.folder, 'state'), { recursive: true });
    mend();
    assert.equal((await bed.issue()).code, 0);
    assert.equal(countOf(bed, 'newOrder'), 2);
    await assertInstalled(bed);
  });

  it('is given up when its key is gone, or another user could have put it there', async (t) => {
    for (const spoil of [
      (path: string) => rm(path),
      (path: string) => writeFile(path, pemOf(newKey())),
      (path: string) => chmod(path, 0o644),
    ]) {
      const { bed, mend } = await prepareTrouble(t, 'certificate');
      assert.equal((await bed.issue(SHORT)).code, 1);
      await spoil(join(bed.folder, PENDING));
      mend();
      const second = await bed.issue();
      assert.equal(second.code, 0, second.stderr);
      assert.equal(countOf(bed, 'newOrder'), 2);
      await assertInstalled(bed);
    }
  });

  it('is given up when the server does not know it any more', async (t) => {
    let run = 1;
    const bed = await prepareIssue(t, {
      misbehave: ({ endpoint, usual }) => {
        if (run === 1) {
          return endpoint === 'certificate' ? { status: 500, body: 'no' } : undefined;
        }
        const isOld = endpoint === 'order' && countOf(bed, 'newOrder') === 1;
        return isOld ? { ...usual, status: 404, body: 'no such order' } : undefined;
      },
    });
    assert.equal((await bed.issue(SHORT)).code, 1);
    run = 2;
    const second = await bed.issue();
    assert.equal(second.code, 0, second.stderr);
    assert.equal(countOf(bed, 'newOrder'), 2);
    await assertInstalled(bed);
  });

  it('outlives an account that is not there for a while, and nonces that are never good', async (t) => {
    let broken = 'certificate';
    const bed = await prepareIssue(t, {
      misbehave: ({ endpoint }) => {
        if (endpoint !== broken) {
          return undefined;
        }
        const type = endpoint === 'newAccount' ? 'accountDoesNotExist' : 'badNonce';
        return { status: 400, body: { type: `urn:ietf:params:acme:error:${type}` } };
      },
    });
    const failures = [
      ['certificate', /badNonce/],
      ['newAccount', /accountDoesNotExist/],
      ['order', /badNonce/],
    ] as const;
    for (const [endpoint, told] of failures) {
      broken = endpoint;
      const { code, stderr } = await bed.issue();
      assert.equal(code, 1, stderr);
      assert.match(stderr, told);
    }
    broken = 'nothing';
    const { code, stderr } = await bed.issue();
    assert.equal(code, 0, stderr);
    assert.equal(countOf(bed, 'newOrder'), 1);
    await assertInstalled(bed);
  });

  it('that the server turned down leaves nothing behind', async (t) => {
    const bed = await prepareIssue(t, {
      misbehave: ({ endpoint }) =>
        endpoint === 'finalize'
          ? { status: 400, body: { type: 'urn:ietf:params:acme:error:badCSR' } }
          : undefined,
    });
    const { code, stderr } = await bed.issue();
    assert.equal(code, 1);
    assert.match(stderr, /badCSR/);
    assert.equal((await readdir(bed.folder)).includes(PENDING), false);
    assert.deepEqual(await remembered(bed), []);
  });
});

describe('a certificate that cannot be used', () => {
  it('is looked at again, and no other is ordered for a while', async (t) => {
    const bed = await prepareIssue(t, {
      leaf: ({ names }) => ({ names: [...names, { type: 'dns', value: 'www.a.test' }] }),
    });
    const first = await bed.issue();
    assert.equal(first.code, 1);
    assert.match(first.stderr, /for other names than requested: .*www\.a\.test/);
    assert.match(first.stderr, /hint: .*orders no other before 20\d\d-/);
    for (let run = 2; run <= 4; run += 1) {
      const again = await bed.issue();
      assert.equal(again.code, 1);
      assert.match(again.stderr, /for other names than requested/);
    }
    assert.deepEqual([countOf(bed, 'newOrder'), countOf(bed, 'certificate')], [1, 4]);
    assert.equal((await bed.issue('--force')).code, 1);
    assert.equal(countOf(bed, 'newOrder'), 2);
  });

  it('is not replaced by another one when its order is gone, before the time', async (t) => {
    let isGone = false;
    const bed = await prepareIssue(t, {
      leaf: ({ names }) => ({ names: names.slice(1) }),
      misbehave: ({ endpoint }) =>
        isGone && endpoint === 'order' ? { status: 404, body: 'no such order' } : undefined,
    });
    assert.equal((await bed.issue()).code, 1);
    isGone = true;
    const second = await bed.issue();
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      /the last one could not be used: the certificate is for other names/,
    );
    assert.match(second.stderr, /hint: no new one is ordered before .*--force/);
    assert.equal(countOf(bed, 'newOrder'), 1);
  });

  it('is installed by the next run when what was wrong was on this side', async (t) => {
    const bed = await prepareIssue(t);
    const wrong = join(bed.folder, 'wrong.pem');
    await writeFile(wrong, (await makeAuthority('another root')).pem);
    const first = await bed.issue(`--ca-file=${wrong}`);
    assert.equal(first.code, 1);
    assert.match(first.stderr, /leads to none of the authorities/);
    const second = await bed.issue();
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual([countOf(bed, 'newOrder'), countOf(bed, 'finalize')], [1, 1]);
    await assertInstalled(bed);
  });
});

describe('alternate chains', () => {
  /** Offers its usual chain, and beside it one through another intermediate of the same key. */
  async function prepareAlternates(scope: Scope): Promise<IssueSetup> {
    return await prepareIssue(scope, {
      chain: ([leaf = '']) => leaf,
      misbehave: ({ endpoint, id, usual, base }) => {
        if (endpoint !== 'certificate') {
          return undefined;
        }
        const links = `<${base}/directory>;rel="index", <${base}/certificate/2>;rel="alternate"`;
        const whole = `${String(usual.body)}${bed?.server.issuerPem ?? ''}`;
        return id === 2 ? { body: whole } : { ...usual, headers: { link: links } };
      },
    });
  }
  let bed: IssueSetup | undefined;

  it('are followed to one that leads to the CA file', async (t) => {
    bed = await prepareAlternates(t);
    const { code, stderr } = await bed.issue();
    assert.equal(code, 0, stderr);
    assert.equal(countOf(bed, 'certificate'), 2);
    const pem = await readFile(join(bed.folder, 'full.pem'), 'utf8');
    assert.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, 2);
  });

  it('are not fetched when the first fits and nothing is preferred', async (t) => {
    bed = await prepareAlternates(t);
    const all = join(bed.folder, 'all.pem');
    await writeFile(all, bed.server.root.pem + bed.server.issuerPem);
    assert.equal((await bed.issue(`--ca-file=${all}`)).code, 0);
    assert.equal(countOf(bed, 'certificate'), 1);
  });

  it('are chosen by the name of the authority, or the first is taken', async (t) => {
    for (const [name, count] of [
      ['test root', 2],
      ['no such root', 1],
    ] as const) {
      bed = await prepareAlternates(t);
      const all = join(bed.folder, 'all.pem');
      await writeFile(all, bed.server.root.pem + bed.server.issuerPem);
      const { code, stderr } = await bed.issue(`--ca-file=${all}`, `--preferred-chain=${name}`);
      assert.equal(code, 0, stderr);
      const pem = await readFile(join(bed.folder, 'full.pem'), 'utf8');
      assert.equal(pem.match(/BEGIN CERTIFICATE/g)?.length, count);
      assert.equal(stderr.includes('no chain that can be used leads to'), count === 1);
    }
  });
});
