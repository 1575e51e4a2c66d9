// `clavigerd policy test` and `explain` as programs: what comes in, what goes out, and with which
// exit status. That the verdicts are the daemon's own is tested where they are made.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import type { CommandResult } from '../../support/process.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';

const KID = 'https://ca.example/acct/1';
const URL = 'https://ca.example/new-order';
const SETTINGS = `
privkey = "file:/nonexistent"
socket = "/nonexistent/S"
state-directory = "/nonexistent/state"
keyid = "${KID}"
default-policy = "web"
[policy.web]
operations = ["read", "new-order", "deactivate-account"]
identifiers = ["*.example.org"]
budgets = ["50 new-order per 1d"]
[policy.reader]
operations = ["read"]
`;

interface Place {
  readonly folder: string;
  readonly policy: (args: readonly string[], input?: string) => Promise<CommandResult>;
}

async function makePlace(t: TestContext, settings = SETTINGS): Promise<Place> {
  const folder = await makeTempDir(t);
  const config = join(folder, 'clavigerd.toml');
  writeFileSync(config, settings, { mode: 0o600 });
  return {
    folder,
    policy: (args, input) =>
      runClavigerd(['policy', ...args, '--config', config], input === undefined ? {} : { input }),
  };
}

function order(name: string): Parameters<typeof formatSigningInput>[0] {
  const payload = { identifiers: [{ type: 'dns', value: name }] };
  return { alg: 'ES256', kid: KID, url: URL, payload };
}

const GOOD = formatSigningInput(order('www.example.org'));
const BAD = formatSigningInput(order('mail.example.net'));
const READ = formatSigningInput({ alg: 'ES256', kid: KID, url: URL });

describe('clavigerd policy test', () => {
  it('tells line by line what the daemon would decide, and fails when anything is refused', async (t) => {
    const { policy } = await makePlace(t);
    const { payload, ...header } = { ...order('www.example.org'), nonce: 'bm9uY2U' };
    const decoded = JSON.stringify({ protected: header, payload });
    const input = `${GOOD}\r\n\n${BAD}\n${decoded}\nnothing\n${READ}`;
    const { code, stdout, stderr } = await policy(['test'], input);
    assert.deepEqual([code, stderr], [1, '']);
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      'line 1: new-order dns:www.example.org: allowed by web; counts against "50 new-order per 1d"',
      'line 3: new-order dns:mail.example.net: denied by web.identifiers: ' +
        "policy 'web' does not allow new-order for mail.example.net",
      'line 4: new-order dns:www.example.org: allowed by web; counts against "50 new-order per 1d"',
      'line 5: malformed: protected header: missing',
      'line 6: read: allowed by web',
    ]);
  });

  it('succeeds when all is allowed; takes a file, and the policy that is named', async (t) => {
    const { folder, policy } = await makePlace(t);
    const file = join(folder, 'requests');
    writeFileSync(file, `${READ}\n`);
    const { code, stdout } = await policy(['test', '--policy=reader', '--json', file]);
    assert.equal(code, 0);
    const report: unknown = JSON.parse(stdout);
    assert.deepEqual(report, {
      line: 1,
      operation: 'read',
      identifiers: [],
      verdict: 'allowed',
      rule: 'reader',
      budgets: [],
    });
    writeFileSync(file, `${GOOD}\n`);
    assert.equal((await policy(['test', '--policy=reader', file])).code, 1);
  });

  it('checks the key where it is told', async (t) => {
    const { folder, policy } = await makePlace(t);
    const jwk = join(folder, 'account.jwk');
    writeFileSync(jwk, JSON.stringify(jwkOfKey(makeKey('ES384').publicKey)));
    const { code, stdout } = await policy(['test', `--jwk=${jwk}`], GOOD);
    assert.equal(code, 1);
    assert.match(stdout, /denied by algorithm: alg is not ES384/);
    for (const text of ['{}', 'x', '']) {
      writeFileSync(jwk, text);
      const { code: failed, stderr } = await policy(['test', `--jwk=${jwk}`], GOOD);
      assert.equal(failed, 1, text);
      assert.match(stderr, /account\.jwk: not a public JWK: .*\n.*hint: `clavigerd key show`/);
    }
    const missing = await policy(['test', `--jwk=${folder}/missing`], GOOD);
    assert.match(missing.stderr, /error: jwk: ENOENT/);
  });

  it('survives lines of any length', async (t) => {
    const { policy } = await makePlace(t);
    const { code, stdout } = await policy(['test'], `${'x'.repeat(5_000_000)}\n${READ}\n`);
    assert.equal(code, 1);
    assert.match(stdout, /^line 1: malformed: request: longer than .*\nline 2: read: allowed/);
  });

  it('fails without a request', async (t) => {
    const { policy, folder } = await makePlace(t);
    assert.match((await policy(['test'], '\n\n')).stderr, /requests: there is none/);
    const { code, stderr } = await policy(['test', `${folder}/missing`]);
    assert.equal(code, 1);
    assert.match(stderr, /error: requests: ENOENT/);
  });

  it('refuses names that the configuration does not have, and what it would not start with', async (t) => {
    const { policy } = await makePlace(t);
    for (const option of ['--policy=x', '--account=x', '--listener=x']) {
      const { code, stderr } = await policy(['test', option], GOOD);
      assert.equal(code, 2, option);
      assert.match(stderr, /hint: there is /);
    }
    const broken = await makePlace(t, `${SETTINGS}identifiers = ["a..b"]\nx = 1\n`);
    const { code, stderr } = await broken.policy(['test'], GOOD);
    assert.equal(code, 2);
    assert.match(stderr, /policy\.reader\.identifiers 1/);
    assert.match(stderr, /policy\.reader\.x/);
  });
});

describe('clavigerd policy explain', () => {
  it('tells in sentences what each policy permits, and for whom', async (t) => {
    const { policy } = await makePlace(t);
    const { code, stdout, stderr } = await policy(['explain']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^policy web, account default \(listeners: S\)\n {2}Policy 'web' allows/);
    assert.match(stdout, /deactivate-account/);
    assert.match(stdout, /50 new-order/);
    assert.match(stdout, /\n\npolicy reader, account default \(used by no listener\)\n {2}\S/);
  });

  it('tells of the policies that are named', async (t) => {
    const { policy } = await makePlace(t);
    const { stdout } = await policy(['explain', 'reader']);
    assert.match(stdout, /^policy reader/);
    assert.doesNotMatch(stdout, /policy web/);
    assert.equal((await policy(['explain', 'x'])).code, 2);
  });

  it('says when there is none', async (t) => {
    const { policy } = await makePlace(t, 'privkey = "file:/x"\nsocket = "/x"\n');
    const { code, stdout } = await policy(['explain']);
    assert.deepEqual([code, stdout], [0, 'the configuration has no policy\n']);
  });
});
