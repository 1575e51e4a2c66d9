// What claviger advises where an authority, its connection or this machine's clock is at fault.
// Real TLS; an authority that misbehaves.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AcmeServerOptions, Endpoint } from '../../support/client/acme-server.js';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { runClaviger } from '../../support/client/claviger.js';
import { freePort } from '../../support/free-port.js';
import type { CommandResult } from '../../support/process.js';
import { atEnd, type Scope } from '../../support/scope.js';
import { makeAuthority } from '../../support/client/test-ca.js';
import { makeKeyPair } from '../../support/key-pair.js';

const DAY_MS = 86_400_000;
const PROBLEM = 'urn:ietf:params:acme:error:';

function answering(endpoint: Endpoint, status: number, body: unknown): AcmeServerOptions {
  return {
    misbehave: (call) => (call.endpoint === endpoint ? { status, body } : undefined),
  };
}

/** Any command but `issue`, in the folder of an issuance. */
async function run(
  scope: Scope,
  options: AcmeServerOptions,
  ...args: readonly string[]
): Promise<CommandResult> {
  const { folder, server } = await prepareIssue(scope, options);
  await writeFile(join(folder, 'foreign.pem'), server.issuerPem);
  return await runClaviger([...args, `--config=${join(folder, 'claviger.toml')}`], { cwd: folder });
}

function assertAdvised({ code, stderr }: CommandResult, error: RegExp, hint: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.match(stderr, error);
  const hints = stderr.split('\n').filter((line) => line.startsWith('claviger: hint: '));
  assert.match(hints.join('\n'), hint);
  assert.doesNotMatch(stderr, /\\u000a/);
}

describe('claviger advises', () => {
  it('to look at the DNS where the authority cannot resolve a name', async (t) => {
    const error = {
      type: `${PROBLEM}dns`,
      detail: 'DNS problem: NXDOMAIN looking up A for a.test',
    };
    const { issue } = await prepareIssue(t, {
      misbehave: ({ endpoint, usual }) =>
        endpoint === 'authorization'
          ? { ...usual, body: withFailedChallenges(usual.body, error) }
          : undefined,
    });
    const result = await issue();
    assertAdvised(result, /NXDOMAIN/, /could not resolve the name: check its public DNS records/);
    assert.doesNotMatch(result.stderr, /port 80/);
  });

  it('to look at --server where the directory is not found', async (t) => {
    const result = await run(t, answering('directory', 404, 'no such page'), 'account', 'show');
    assertAdvised(result, /directory https:\S+: HTTP status 404/, /--server is the URL/);
  });

  it('who can revoke where the authority does not know the certificate', async (t) => {
    for (const type of ['malformed', 'unauthorized']) {
      const body = { type: `${PROBLEM}${type}`, detail: 'Unable to find specified certificate' };
      const result = await run(t, answering('revokeCert', 403, body), 'revoke', 'foreign.pem');
      assertAdvised(result, /Unable to find/, /was the certificate issued by this --server/);
      assert.doesNotMatch(result.stderr, /over http/);
    }
  });

  it('to name the authority of a server that is trusted by none', async (t) => {
    // The root of the certificates it issues is not that of its own.
    const result = await run(t, {}, 'account', 'show', '--server-ca-file=root.pem');
    assertAdvised(result, /localhost:\d+: .*certificate/, /--server-ca-file/);
  });

  it('to look at the host where the certificate is for another one', async (t) => {
    const url = await serve(t, 'other.test', Date.now() - DAY_MS);
    assertAdvised(await showAt(t, url), /localhost/, /is for other names: check the host/);
  });

  it('to look at the clock where the certificate of the server is not valid yet', async (t) => {
    const url = await serve(t, 'localhost', Date.now() + DAY_MS);
    assertAdvised(await showAt(t, url), /not yet valid/, /this machine's clock right/);
  });

  it('to look at the port where no HTTPS is spoken', async (t) => {
    const { folder } = await prepareIssue(t);
    const server = `https://localhost:${await freePort()}/`;
    const config = `--config=${join(folder, 'claviger.toml')}`;
    const result = await runClaviger(['account', 'show', config, `--server=${server}`]);
    assertAdvised(result, /ECONNREFUSED/, /nothing listens there: check --server/);
  });
});

function withFailedChallenges(body: unknown, error: unknown): unknown {
  assert.ok(typeof body === 'object' && body !== null && 'challenges' in body);
  assert.ok(Array.isArray(body.challenges));
  const challenges = body.challenges.map((challenge: object) => ({
    ...challenge,
    status: 'invalid',
    error,
  }));
  return { ...body, status: 'invalid', challenges };
}

interface Served {
  readonly url: string;
  readonly authority: string;
}

/** A server that speaks HTTPS, with a certificate for that name and from that time on. */
async function serve(scope: Scope, name: string, notBefore: number): Promise<Served> {
  const root = await makeAuthority('root of a server');
  const { privateKey, publicKey } = makeKeyPair('ec', { namedCurve: 'P-256' });
  const cert = await root.issue(publicKey, {
    names: [{ type: 'dns', value: name }],
    notBefore,
    notAfter: notBefore + 90 * DAY_MS,
  });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const port = await freePort();
  const server = createServer({ cert, key }, (_, response) => response.end('{}'));
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  atEnd(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `https://localhost:${port}/directory`, authority: root.pem };
}

async function showAt(scope: Scope, { url, authority }: Served): Promise<CommandResult> {
  const { folder } = await prepareIssue(scope);
  const authorities = join(folder, 'server-root.pem');
  await writeFile(authorities, authority);
  const options = [`--server=${url}`, `--server-ca-file=${authorities}`];
  const config = `--config=${join(folder, 'claviger.toml')}`;
  return await runClaviger(['account', 'show', config, '--timeout=2', ...options]);
}
