// What an administrator gets wrong with claviger, and what is then said: the text, the hint and the
// exit status.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startAcmeServer, type AcmeServerOptions } from '../../support/client/acme-server.js';
import { runClaviger } from '../../support/client/claviger.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import type { CommandResult } from '../../support/process.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const PROBLEM = 'urn:ietf:params:acme:error:';
const HTTP01_HINT = /did not get the expected answer over http|port 80/;

/** Runs claviger against a server that misbehaves, with a signer of its own. */
async function run(
  t: Scope,
  options: AcmeServerOptions,
  args: readonly string[],
  settings: { readonly daemon?: string; readonly client?: string } = {},
): Promise<CommandResult> {
  const server = await startAcmeServer(t, options);
  const daemon = await startClavigerd(t, {
    key: makeKey('ES256'),
    settings: settings.daemon?.replaceAll('@', server.base) ?? '',
  });
  const folder = await makeTempDir(t);
  const config = join(folder, 'claviger.toml');
  const text = `server = "${server.directoryUrl}"\nserver-ca-file = "${server.caFile}"\nsocket = "${daemon.socket}"\n`;
  await writeFile(config, `${text}${settings.client ?? ''}`, { mode: 0o600 });
  return await runClaviger([...args, `--config=${config}`], { cwd: folder });
}

function answering(endpoint: string, body: unknown, status = 403): AcmeServerOptions {
  return {
    misbehave: (call) => (call.endpoint === endpoint ? { status, body } : undefined),
  };
}

describe('a mistake with claviger is told so that it can be mended', () => {
  it('a web page in place of a directory', async (t) => {
    const page = answering('directory', '<!DOCTYPE html><title>It works</title>', 200);
    const { code, stderr } = await run(t, page, ['account', 'show']);
    assert.equal(code, 1);
    assert.match(stderr, /this is a web page, no ACME directory\n.*hint: --server is the URL/);
    assert.doesNotMatch(stderr, /Invalid type/);
  });

  it('a deactivated account gets no hint about http-01', async (t) => {
    const body = {
      type: `${PROBLEM}unauthorized`,
      detail: 'An account with the provided public key exists but is deactivated',
    };
    const { code, stderr } = await run(t, answering('newAccount', body), ['account', 'show']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /unauthorized: An account .*\n.*hint: a deactivated account does not come/,
    );
    assert.doesNotMatch(stderr, HTTP01_HINT);
  });

  it('a deactivated account does not count as registered', async (t) => {
    const deactivated: AcmeServerOptions = {
      misbehave: ({ endpoint, usual }) =>
        endpoint === 'newAccount' ? { ...usual, body: { status: 'deactivated' } } : undefined,
    };
    const { code, stdout, stderr } = await run(t, deactivated, ['account', 'register']);
    assert.equal(code, 1);
    assert.match(stderr, /account: .* is deactivated\n.*hint: a deactivated account/);
    assert.equal(stdout, '');
  });

  it('a keyid of another server stops the run', async (t) => {
    const settings = { daemon: 'keyid = "https://other.example/acct/1"' };
    const { code, stderr } = await run(t, {}, ['account', 'show'], settings);
    assert.equal(code, 2);
    assert.match(stderr, /the signer's account is at other\.example, and the server is/);
  });

  it('a keyid of no account is not to be registered', async (t) => {
    const body = { type: `${PROBLEM}accountDoesNotExist`, detail: 'unknown' };
    const settings = { daemon: 'keyid = "@/account/9"' };
    const { stderr } = await run(t, answering('account', body, 400), ['account', 'show'], settings);
    assert.match(stderr, /hint: the keyid of the signer is of no account here/);
    assert.doesNotMatch(stderr, /account register/);
  });

  it('renew NAME wants a name of a section', async (t) => {
    const client = '[[certificate]]\nnames = ["a.test"]\nkey = "/k"\nfullchain = "/f"\n';
    const { code, stderr } = await run(t, {}, ['renew', 'b.test'], { client });
    assert.equal(code, 2);
    assert.match(
      stderr,
      /no \[\[certificate\]\] section has the name b\.test\n.*the sections are of a\.test/,
    );
  });

  it('a shell that greets before the signer does', async (t) => {
    const folder = await makeTempDir(t);
    const script = join(folder, 'signer');
    await writeFile(script, '#!/bin/sh\necho "Welcome to signer.example"\nsleep 1\n');
    await chmod(script, 0o755);
    const config = join(folder, 'c.toml');
    await writeFile(config, `signer-command = "${script}"\n`, { mode: 0o600 });
    const { code, stderr } = await runClaviger(['account', 'show', `--config=${config}`]);
    assert.equal(code, 1);
    assert.match(stderr, /signer: says "Welcome to signer\.example" in place of its greeting/);
    assert.match(stderr, /hint: .*\.bashrc.*ssh -T/);
  });

  it('--debug tells requests, statuses and times, and nothing that is signed', async (t) => {
    const { stderr } = await run(t, {}, ['account', 'show', '--debug']);
    assert.match(
      stderr,
      /^claviger: debug: \d+\.\d{3} s: GET https:\/\/.*: 200, \d+ bytes, \d+ ms$/m,
    );
    assert.match(stderr, /signer: signature: done, \d+ ms/);
    assert.doesNotMatch(stderr, /eyJ/); // the beginning of any header in base64url
  });
});
