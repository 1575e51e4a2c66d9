// Socket activation for real: systemd-socket-activate makes the socket and passes it on, as systemd
// does.

import assert from 'node:assert/strict';
import type { JsonWebKey } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { askOnce, makeSectionBed, orderFor } from '../../support/daemon/daemon-sections.js';
import { makeKey } from '../../support/keys/keys.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { type RunningProcess, startProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { TRANSCRIPT_VARIABLE } from '../../support/transcript.js';

interface Activated {
  readonly socket: string;
  readonly jwk: JsonWebKey;
  readonly process: RunningProcess;
}

async function activate(scope: Scope): Promise<Activated> {
  const folder = await makeTempDir(scope);
  const key = makeKey('ES256');
  await writeFile(join(folder, 'account.pem'), key.pem, { mode: 0o600 });
  await writeFile(join(folder, 'clavigerd.toml'), '');
  const socket = join(folder, 'S.claviger');
  const process = await startProcess(scope, {
    command: 'systemd-socket-activate',
    args: [
      `--listen=${socket}`,
      // It passes on no variable that is not named.
      `--setenv=${TRANSCRIPT_VARIABLE}`,
      globalThis.process.execPath,
      CLAVIGERD,
      `--config=${join(folder, 'clavigerd.toml')}`,
      `--privkey=file:${join(folder, 'account.pem')}`,
    ],
    waitFor: { socket },
  });
  return { socket, jwk: key.publicKey.export({ format: 'jwk' }), process };
}

describe('socket activation', () => {
  it('starts the daemon at the first connection and signs on the passed socket', async (t) => {
    const { socket, jwk } = await activate(t);
    const client = await connectLineClient(socket);
    const { greeting } = await client.readGreeting();
    assert.match(greeting, /^1 OK \{.*"alg":"ES256"/);
    const input = formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/acct/1',
      url: 'https://ca.example/order/1',
    });
    const signature = await client.ask(input);
    assert.ok(signature !== undefined, 'a signature came');
    assert.ok(isSignatureOf('ES256', jwk, input, signature));
    client.close();
  });

  it('serves more than the connection that started it', async (t) => {
    const { socket } = await activate(t);
    const first = await connectLineClient(socket);
    await first.readGreeting();
    const second = await connectLineClient(socket);
    assert.match((await second.readGreeting()).greeting, /^1 OK /);
    first.close();
    second.close();
  });

  it('leaves the socket to systemd when it stops', async (t) => {
    const { socket, process } = await activate(t);
    const client = await connectLineClient(socket);
    await client.readGreeting();
    client.close();
    const status = await process.stop();
    assert.deepEqual(status, { code: 0, signal: null }, process.output);
    assert.ok((await stat(socket)).isSocket());
  });
});

describe('sockets passed by name', () => {
  const LISTENERS = `privkey = "file:@/account.pem"
[policy.web]
operations = ["read"]
[[listen]]
descriptor = "admin"
[[listen]]
descriptor = "web"
policy = "web"
`;

  async function activateNamed(scope: Scope, names: string, toml = LISTENERS) {
    const bed = await makeSectionBed(scope, toml);
    const process = await startProcess(scope, {
      command: 'systemd-socket-activate',
      args: [
        ...['a', 'b', 'c'].map((name) => `--listen=${bed.path(name)}`),
        `--fdname=${names}`,
        `--setenv=${TRANSCRIPT_VARIABLE}`,
        globalThis.process.execPath,
        CLAVIGERD,
        `--config=${bed.config}`,
      ],
      waitFor: { socket: bed.path('c') },
    });
    return { bed, process };
  }

  it('go to the listeners that name them, two of one name to the same', async (t) => {
    const { bed, process } = await activateNamed(t, 'web:admin:web');
    const order = orderFor('www.example.org');
    assert.equal(await askOnce(t, bed.path('b'), order), 'signed');
    for (const name of ['a', 'c']) {
      assert.match(await askOnce(t, bed.path(name), order), /"denied"/);
      assert.equal(await askOnce(t, bed.path(name)), 'signed');
    }
    assert.match(process.stderr, /ready listener=web .* socket=web,web/);
  });

  for (const [name, names, error] of [
    ['that no listener names', 'web:admin:other', /systemd passed the socket "other", which no/],
    ['that are not all there', 'web:web:web', /listen [12]: descriptor: systemd passed no/],
  ] as const) {
    it(`${name} end the start`, async (t) => {
      const { bed, process } = await activateNamed(t, names);
      const client = await connectLineClient(bed.path('a'));
      const status = await process.waitForExit();
      assert.match(process.stderr, error);
      assert.equal(status.code, 2);
      client.close();
    });
  }
});
