// The whole daemon with a key in a token: its helper killed while signing, clients that wait
// meanwhile, and a start with a PIN that the token refuses.

import assert from 'node:assert/strict';
import type { JsonWebKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runClavigerd, startClavigerd } from '../../support/daemon/clavigerd.js';
import { connectLineClient, type LineClient } from '../../support/daemon/line-client.js';
import { childrenOf } from '../../support/process.js';
import { atEnd } from '../../support/scope.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';
import { createSoftHsm, type SoftHsm, type SoftHsmToken } from '../../support/modules/softhsm.js';

const URL = 'https://ca.example.net/acme/new-account';

async function makeKey(t: TestContext): Promise<{ hsm: SoftHsm; token: SoftHsmToken }> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('acme');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  return { hsm, token };
}

interface Client {
  readonly lines: LineClient;
  readonly request: string;
  /** True when the reply is a signature over the request. */
  readonly isSignature: (reply: string | undefined) => boolean;
}

async function connectClient(t: TestContext, socket: string): Promise<Client> {
  const lines = await connectLineClient(socket);
  atEnd(t, () => {
    lines.close();
  });
  const jwk: JsonWebKey = parseJwk((await lines.readGreeting()).jwk);
  lines.write('!errors\r\n');
  const payload = { termsOfServiceAgreed: true };
  const request = formatSigningInput({ alg: 'ES256', jwk, url: URL, payload });
  return {
    lines,
    request,
    isSignature: (reply) => reply !== undefined && isSignatureOf('ES256', jwk, request, reply),
  };
}

function parseJwk(text: string): JsonWebKey {
  const value: unknown = JSON.parse(text);
  assert.ok(typeof value === 'object' && value !== null);
  return { ...value };
}

describe('daemon with a key in a token', () => {
  it('survives the death of its helper: a fresh one signs, and no client notices', async (t) => {
    const { hsm, token } = await makeKey(t);
    const daemon = await startClavigerd(t, { key: hsm.uri(token, { label: 'k' }), env: hsm.env });
    const first = await connectClient(t, daemon.socket);
    const second = await connectClient(t, daemon.socket);
    assert.ok(first.isSignature(await first.lines.ask(first.request)));

    const [helper] = childrenOf(daemon.process.pid);
    assert.ok(helper !== undefined);
    process.kill(helper, 'SIGSTOP');
    const waiting = first.lines.ask(first.request);
    // The daemon reads its connections in turn: with this answer, the request above is on its way.
    assert.equal(await second.lines.ask('!ping'), '!pong');
    process.kill(helper, 'SIGKILL');
    assert.ok(first.isSignature(await waiting));
    assert.ok(first.isSignature(await first.lines.ask(first.request)));
    assert.ok(second.isSignature(await second.lines.ask(second.request)));
    assert.ok(daemon.process.isRunning);
    assert.notEqual(childrenOf(daemon.process.pid)[0], helper);

    const log = readFileSync(daemon.logfile, 'utf8');
    assert.match(log, /ended \(SIGKILL\)/);
    assert.ok(!log.includes(token.pin));
  });

  it('ends its helper when it ends', async (t) => {
    const { hsm, token } = await makeKey(t);
    const daemon = await startClavigerd(t, { key: hsm.uri(token, { label: 'k' }), env: hsm.env });
    const [helper] = childrenOf(daemon.process.pid);
    assert.ok(helper !== undefined);
    assert.equal((await daemon.process.stop()).code, 0, daemon.process.output);
    assert.throws(() => readFileSync(`/proc/${helper}/cmdline`));
  });

  it('does not start on standard input with a PIN that is refused', async (t) => {
    const { hsm, token } = await makeKey(t);
    const pinFile = join(hsm.folder, 'wrong');
    writeFileSync(pinFile, '00000000\n', { mode: 0o600 });
    const uri = hsm.uri({ ...token, pinFile }, { label: 'k' });
    const args = [`--privkey=${uri}`, '--stdio'];
    const { code, stderr } = await runClavigerd(args, { env: hsm.env });
    assert.equal(code, 1);
    assert.match(stderr, /clavigerd: error: token "acme": the PIN is wrong .*CKR_PIN_INCORRECT/);
    assert.match(stderr, /clavigerd: hint: one attempt was made and no other will be/);
  });
});
