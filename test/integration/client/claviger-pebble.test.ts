// claviger and clavigerd against a real CA that rejects nonces and reuses authorizations.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Algorithm } from '../../../src/jose/algorithms.js';
import {
  prepareClaviger,
  startLacmeAccountd,
  writeAccountKey,
  type ClavigerSetup,
} from '../../support/client/claviger.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { isRevoked, startPebble, type Pebble } from '../../support/client/pebble.js';
import { mustRun, startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../../support/programs.js';
import { atEnd, suiteScope, type Scope } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const TOKEN_KEY_TYPES = {
  RS256: 'rsa:2048',
  ES256: 'EC:prime256v1',
  ES384: 'EC:secp384r1',
} as const;
const FILES = ['--key=key.pem', '--cert=cert.pem', '--chain=chain.pem', '--fullchain=full.pem'];
const REGISTER = ['account', 'register', '--agree-tos', '--contact=mailto:admin@example.org'];

function assertDone(result: CommandResult): void {
  assert.equal(result.code, 0, result.stderr);
}

function namesOf(pem: string): readonly string[] {
  return new X509Certificate(pem).subjectAltName?.split(', ').sort() ?? [];
}

describe('claviger with a CA of several chains', () => {
  it('installs the one that leads to the CA file, or to the authority that is preferred', async (t) => {
    const pebble = await startPebble(t, { alternateRoots: 2, retryAfter: { authz: 3, order: 5 } });
    const signer = await startClavigerd(t, { key: await writeAccountKey(t, 'ES256') });
    const claviger = await prepareClaviger(t, pebble, signer);
    assertDone(await claviger.run(REGISTER));
    for (const at of [2, 1]) {
      const root = join(claviger.folder, `root-${at}.pem`);
      await writeFile(root, await pebble.manage(`/roots/${at}`));
      const files = [`--key=${at}.key`, `--fullchain=${at}.pem`];
      assertDone(await claviger.run(['issue', 'a.test', ...files, `--ca-file=${root}`]));
      const path = join(claviger.folder, `${at}.pem`);
      await mustRun('openssl', ['verify', '-CAfile', root, '-untrusted', path, path]);
    }
    const all = join(claviger.folder, 'all.pem');
    const roots = await Promise.all([0, 1, 2].map((at) => pebble.manage(`/roots/${at}`)));
    await writeFile(all, roots.join(''));
    const name = /^CN=(.*)$/m.exec(new X509Certificate(roots[1] ?? '').subject)?.[1] ?? '';
    const wish = [`--ca-file=${all}`, `--preferred-chain=${name}`];
    assertDone(
      await claviger.run(['issue', 'a.test', '--key=p.key', '--fullchain=p.pem', ...wish]),
    );
    const path = join(claviger.folder, 'p.pem');
    const root = join(claviger.folder, 'root-1.pem');
    await mustRun('openssl', ['verify', '-CAfile', root, '-untrusted', path, path]);
  });
});

describe('claviger with Pebble', () => {
  const scope = suiteScope();
  let pebble: Pebble;

  before(async () => {
    pebble = await startPebble(scope);
  });

  for (const command of ['issue', 'renew'] as const) {
    it(`${command} registers an account that the server does not know, where that is configured`, async (t) => {
      const { socket } = await startClavigerd(t, { key: await writeAccountKey(t, 'ES256') });
      const consent = 'agree-tos = true\ncontact = ["mailto:admin@example.org"]\n';
      const home = await makeTempDir(t);
      const section =
        command === 'renew'
          ? `[[certificate]]\nnames = ["new.test"]\nkey = "${home}/new.key"\nfullchain = "${home}/new.pem"\n`
          : '';
      const args = command === 'renew' ? ['renew'] : ['issue', 'new.test', ...FILES];
      const env = { HOME: home };
      const without = await prepareClaviger(t, pebble, { socket }, section);
      const refused = await without.run(args, { env });
      assert.equal(refused.code, 1, refused.stderr);
      assert.match(refused.stderr, /hint: register the account key .*account register/);
      const claviger = await prepareClaviger(t, pebble, { socket }, consent + section);
      assertDone(await claviger.run(args, { env }));
      const shown = await claviger.run(['account', 'show'], { env });
      assertDone(shown);
      assert.match(shown.stdout, /mailto:admin@example\.org/);
    });
  }

  /** Registers, issues for one name and for three, and revokes; gives the account URL. */
  async function useAccount(claviger: ClavigerSetup): Promise<string> {
    const registered = await claviger.run(REGISTER);
    assertDone(registered);
    const one = await claviger.run(['issue', 'one.test', '--key=1.key', '--cert=1.pem']);
    assertDone(one);
    const names = ['a.test', 'B.test', 'bücher.test'];
    assertDone(await claviger.run(['issue', ...names, ...FILES]));
    const pem = await readFile(join(claviger.folder, 'cert.pem'), 'utf8');
    assert.deepEqual(namesOf(pem), ['DNS:a.test', 'DNS:b.test', 'DNS:xn--bcher-kva.test']);
    await mustRun('openssl', [
      ...['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', pebble.rootCaFile],
      ...['-untrusted', join(claviger.folder, 'chain.pem'), join(claviger.folder, 'cert.pem')],
    ]);
    const full = await readFile(join(claviger.folder, 'full.pem'), 'utf8');
    assert.equal(full, pem + (await readFile(join(claviger.folder, 'chain.pem'), 'utf8')));
    assertDone(await claviger.run(['revoke', 'cert.pem', '--reason=superseded']));
    assert.equal(await isRevoked(pebble, pem), true);
    return /^account: +(\S+)$/m.exec(registered.stdout)?.[1] ?? '';
  }

  /** The same signer with the key ID alone: issues, and cannot touch the account. */
  async function useKeyId(t: Scope, privkey: string, keyId: string, env = {}): Promise<void> {
    const { socket } = await startClavigerd(t, {
      key: privkey,
      settings: `keyid = ${JSON.stringify(keyId)}`,
      env,
    });
    await useKeyIdOnly(await prepareClaviger(t, pebble, { socket }), keyId);
  }

  async function useKeyIdOnly(claviger: ClavigerSetup, keyId: string): Promise<void> {
    assertDone(await claviger.run(['issue', 'k.test', ...FILES]));
    const shown = await claviger.run(['account', 'show']);
    assertDone(shown);
    assert.ok(shown.stdout.includes(keyId));
    assertDone(await claviger.run(['revoke', 'cert.pem']));
    const refused = await claviger.run(REGISTER);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /error: account: the signer runs in key-ID-only mode\n.*hint: /);
  }

  for (const algorithm of ['RS256', 'ES256', 'ES384'] as const satisfies readonly Algorithm[]) {
    it(`registers, issues and revokes with a key in a file, ${algorithm}`, async (t) => {
      const privkey = await writeAccountKey(t, algorithm);
      const { socket } = await startClavigerd(t, { key: privkey });
      const keyId = await useAccount(await prepareClaviger(t, pebble, { socket }));
      await useKeyId(t, privkey, keyId);
    });

    it(`registers, issues and revokes with a key in a token, ${algorithm}`, async (t) => {
      const hsm = await createSoftHsm(t);
      const token = await hsm.addToken('acme');
      const key = { label: 'account', id: '01', type: TOKEN_KEY_TYPES[algorithm] } as const;
      await hsm.addKey(token, key);
      const privkey = hsm.uri(token, key);
      const { socket } = await startClavigerd(t, { key: privkey, env: hsm.env });
      const keyId = await useAccount(await prepareClaviger(t, pebble, { socket }));
      await useKeyId(t, privkey, keyId, hsm.env);
    });
  }

  it("registers, issues and revokes with Debian's lacme-accountd", async (t) => {
    const privkey = await writeAccountKey(t, 'RS256');
    const { socket, process: accountd } = await startLacmeAccountd(t, privkey);
    const keyId = await useAccount(await prepareClaviger(t, pebble, { socket }));
    assert.equal(accountd.isRunning, true);
    const { socket: keyIdSocket } = await startLacmeAccountd(t, privkey, keyId);
    await useKeyIdOnly(await prepareClaviger(t, pebble, { socket: keyIdSocket }), keyId);
  });

  it('starts the signer as a command, without a shell', async (t) => {
    const privkey = await writeAccountKey(t, 'ES256');
    const command = `'${process.execPath}' "${CLAVIGERD}" --privkey=${privkey} --stdio --quiet`;
    const claviger = await prepareClaviger(t, pebble, { command });
    assertDone(await claviger.run(REGISTER));
    assertDone(await claviger.run(['issue', 'c.test', ...FILES]));
  });

  it('renews with one start of the signer command, and none when nothing is due', async (t) => {
    const privkey = await writeAccountKey(t, 'ES256');
    const folder = await makeTempDir(t);
    const starts = join(folder, 'starts');
    const script = `appendFileSync('${starts}', '.'); await import('${CLAVIGERD}');`;
    const wrapper = join(folder, 'signer.mjs');
    await writeFile(wrapper, `import { appendFileSync } from 'node:fs';\n${script}\n`);
    const command = `'${process.execPath}' ${wrapper} --privkey=${privkey} --stdio --quiet`;
    const claviger = await prepareClaviger(t, pebble, { command });
    assertDone(await claviger.run(REGISTER));
    await writeFile(starts, '');
    await addSections(claviger, ['p1.test', 'p2.test', 'p3.test']);
    assertDone(await claviger.run(['renew']));
    assert.equal(await readFile(starts, 'utf8'), '.');
    assertDone(await claviger.run(['renew']));
    assert.equal(await readFile(starts, 'utf8'), '.');
  });

  describe('with one account', () => {
    let socket: string;
    before(async () => {
      const signer = await startClavigerd(scope, {
        key: await writeAccountKey(scope, 'ES256'),
      });
      socket = signer.socket;
      assertDone(await (await prepareClaviger(scope, pebble, { socket })).run(REGISTER));
    });

    it('shows the account, and changes its contacts', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      const again = await claviger.run(['account', 'register', '--contact=mailto:b@example.org']);
      assertDone(again);
      assert.match(again.stderr, /registered already/);
      const shown = await claviger.run(['account', 'show', '--quiet']);
      assertDone(shown);
      assert.match(shown.stdout, /^account: +https:\/\/localhost:\d+\/\S+$/m);
      assert.match(shown.stdout, /^status: +valid$/m);
      assert.match(shown.stdout, /^contact: +mailto:b@example\.org$/m);
      assert.match(shown.stdout, /^thumbprint: [\w-]{43}$/m);
      assert.equal(shown.stderr, '');
    });

    it('issues for IP addresses', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      assertDone(await claviger.run(['issue', '127.0.0.1', 'ip.test', ...FILES]));
      const pem = await readFile(join(claviger.folder, 'cert.pem'), 'utf8');
      assert.deepEqual(namesOf(pem), ['DNS:ip.test', 'IP Address:127.0.0.1']);
    });

    for (const [type, shown] of [
      ['p256', /prime256v1/],
      ['p384', /secp384r1/],
      ['rsa2048', /Public-Key: \(2048 bit\)/],
      ['rsa3072', /Public-Key: \(3072 bit\)/],
    ] as const) {
      it(`issues for a new ${type} key and again for the same`, async (t) => {
        const claviger = await prepareClaviger(t, pebble, { socket });
        const issue = ['issue', `${type}.test`, `--key-type=${type}`, ...FILES];
        const first = await claviger.run(issue);
        assertDone(first);
        assert.match(first.stderr, new RegExp(`made a new ${type} key`));
        const key = await readFile(join(claviger.folder, 'key.pem'), 'utf8');
        assert.equal((await stat(join(claviger.folder, 'key.pem'))).mode & 0o777, 0o600);
        assertDone(await claviger.run(issue));
        assert.equal(await readFile(join(claviger.folder, 'key.pem'), 'utf8'), key);
        assert.equal((await stat(join(claviger.folder, 'cert.pem'))).mode & 0o777, 0o644);
        const cert = join(claviger.folder, 'cert.pem');
        assert.match(await mustRun('openssl', ['x509', '-in', cert, '-noout', '-text']), shown);
      });
    }

    it('answers through the document root of a web server', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      const root = join(claviger.folder, 'htdocs');
      await mkdir(root);
      await serveFolder(t, root, pebble.httpPort);
      const names = ['w1.test', 'w2.test', 'w3.test'];
      const webroot = `--webroot=${root}`;
      const issued = await claviger.run(['issue', ...names, ...FILES, webroot]);
      assertDone(issued);
      assert.deepEqual(await readdir(join(root, '.well-known/acme-challenge')), []);
    });

    it('tells which names failed and why, and installs nothing', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      const old = 'the old certificate\n';
      await writeFile(join(claviger.folder, 'cert.pem'), old);
      const root = join(claviger.folder, 'htdocs');
      await mkdir(root);
      await serveFolder(t, join(claviger.folder, 'elsewhere'), pebble.httpPort);
      const failed = await claviger.run([
        'issue',
        'f1.test',
        'f2.test',
        ...FILES,
        `--webroot=${root}`,
      ]);
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /error: order: 2 of 2 names were not authorized\n/);
      assert.match(failed.stderr, /error: f1\.test: unauthorized: .*404/);
      assert.match(failed.stderr, /error: f2\.test: unauthorized: .*404/);
      assert.match(failed.stderr, /^claviger: hint: /m);
      assert.equal(await readFile(join(claviger.folder, 'cert.pem'), 'utf8'), old);
      assert.deepEqual((await readdir(claviger.folder)).sort(), [
        ...['cert.pem', 'claviger.toml', 'htdocs'],
      ]);
      assert.deepEqual(await readdir(join(root, '.well-known/acme-challenge')), []);
    });

    it('shows why the CA refuses a name', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      const failed = await claviger.run(['issue', 'www.blocked.test', ...FILES]);
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /error: new order: rejectedIdentifier: .*blocked\.test/);
    });

    it('is not satisfied with another root than --ca-file', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      const failed = await claviger.run([
        'issue',
        'r.test',
        ...FILES,
        `--ca-file=${pebble.caFile}`,
      ]);
      assert.equal(failed.code, 1);
      assert.match(failed.stderr, /none of the authorities/);
      await assert.rejects(stat(join(claviger.folder, 'cert.pem')), { code: 'ENOENT' });
    });

    it('does not revoke what it cannot, and says so of what is revoked', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      assertDone(await claviger.run(['issue', 'v.test', ...FILES]));
      assertDone(await claviger.run(['revoke', 'full.pem']));
      const again = await claviger.run(['revoke', 'cert.pem']);
      assertDone(again);
      assert.match(again.stderr, /was revoked already/);
      const foreign = await claviger.run(['revoke', pebble.caFile]);
      assert.equal(foreign.code, 1);
      assert.match(foreign.stderr, /error: revocation: /);
    });

    it('renews what is due and nothing else', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      await addSections(claviger, ['d1.test', 'd2.test']);
      const first = await claviger.run(['renew']);
      assertDone(first);
      assert.match(first.stderr, /d1\.test: renewing: there is no certificate yet/);
      const read = (): Promise<string[]> =>
        Promise.all(
          ['d1', 'd2'].map((name) => readFile(join(claviger.folder, `${name}.test.pem`), 'utf8')),
        );
      const before_ = await read();
      const second = await claviger.run(['renew']);
      assertDone(second);
      assert.match(second.stderr, /d1\.test: valid until .*, due on /);
      assert.deepEqual(await read(), before_);
      // A new key makes the first certificate due.
      await rm(join(claviger.folder, 'd1.test.key'));
      const third = await claviger.run(['renew']);
      assertDone(third);
      assert.match(third.stderr, /d1\.test: renewing: the key is another one/);
      const after_ = await read();
      assert.notEqual(after_[0], before_[0]);
      assert.equal(after_[1], before_[1]);
      assertDone(await claviger.run(['renew', '--force']));
      assert.notEqual((await read())[1], before_[1]);
    });

    it('renews the others when one certificate fails', async (t) => {
      const claviger = await prepareClaviger(t, pebble, { socket });
      await addSections(claviger, ['x.blocked.test', 'good.test']);
      const result = await claviger.run(['renew', '--quiet']);
      assert.equal(result.code, 1);
      assert.match(result.stderr, /^claviger: error: x\.blocked\.test: new order: rejectedId/);
      assert.ok((await stat(join(claviger.folder, 'good.test.pem'))).isFile());
    });

    for (const [signal, code] of [
      ['SIGHUP', 129],
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      it(`takes back its challenge files on ${signal}`, async (t) => {
        const claviger = await prepareClaviger(t, pebble, { socket });
        const root = join(claviger.folder, 'htdocs');
        await mkdir(root);
        // A web server that lets the CA wait: the order stays under way.
        const server = createServer(() => undefined);
        server.listen({ host: '127.0.0.1', port: pebble.httpPort });
        atEnd(t, () => {
          server.closeAllConnections();
          server.close();
        });
        const asked = new Promise((resolve) => server.once('request', resolve));
        const run = await startProcess(t, {
          command: process.execPath,
          args: [
            ...[CLAVIGER, 'issue', `${signal.toLowerCase()}.test`, ...FILES],
            ...[`--webroot=${root}`, `--config=${claviger.config}`],
          ],
          cwd: claviger.folder,
        });
        await asked;
        const folder = join(root, '.well-known/acme-challenge');
        assert.equal((await readdir(folder)).length, 1);
        run.signal(signal);
        const status = await run.waitForExit();
        assert.deepEqual(status, { code, signal: null });
        assert.match(run.stderr, new RegExp(`error: interrupted by ${signal}`));
        assert.deepEqual(await readdir(folder), []);
      });
    }
  });
});

/** Adds a [[certificate]] section for each name, with its files in the folder. */
async function addSections(
  { config, folder }: ClavigerSetup,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const path = join(folder, name);
    const section = `[[certificate]]\nnames = ["${name}"]\nkey = "${path}.key"\nfullchain = "${path}.pem"\n`;
    await appendFile(config, section);
  }
}

/** A web server with the files of a folder, for whoever has --webroot. */
async function serveFolder(scope: Scope, folder: string, port: number): Promise<void> {
  const server = createServer((request, response) => {
    readFile(join(folder, request.url ?? '')).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  atEnd(scope, () => {
    server.closeAllConnections();
    server.close();
  });
}
