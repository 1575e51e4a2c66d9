// The client's end of the signing protocol against signers that are slow, wrong, gone or somebody
// else.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SharedSigner } from '../../../src/client/signer/shared-signer.js';
import { openSigner, type SignerConnection } from '../../../src/client/signer/signer-connection.js';
import type { SignerConfig } from '../../../src/config/client/config.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { AppError } from '../../../src/lib/errors.js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { signWithKey } from '../../../src/jose/signature.js';
import { formatGreeting } from '../../../src/protocol/greeting.js';
import { startLacmeAccountd, writeAccountKey } from '../../support/client/claviger.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import { atEnd, type Scope } from '../../support/scope.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';

const KEY = makeKey('ES256');
const FACTS = { algorithm: 'ES256', jwk: jwkOfKey(KEY.publicKey), keyId: undefined } as const;
const GREETING = formatGreeting(FACTS);
const OLD_GREETING = GREETING.replace(/,"extensions":\[[^\]]*\]/, '');

interface TestSigner {
  readonly config: SignerConfig;
  readonly path: string;
  readonly folder: string;
}

/** A socket whose connections are given to `serve`. */
async function startSigner(scope: Scope, serve: (socket: Socket) => void): Promise<TestSigner> {
  const folder = await makeTempDir(scope);
  const path = join(folder, 'S');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  const umask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  await new Promise((resolve) => server.once('listening', resolve));
  atEnd(scope, () => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { config: { kind: 'socket', path }, path, folder };
}

interface Opened {
  readonly signer: SignerConnection;
  readonly controller: AbortController;
  readonly reports: readonly string[];
}

async function open(scope: Scope, config: SignerConfig): Promise<Opened> {
  const controller = new AbortController();
  const reports: string[] = [];
  const signer = await openSigner({
    config,
    signal: controller.signal,
    greetingTimeoutMs: 1_500,
    signTimeoutMs: 1_500,
    pingIntervalMs: 200,
    report: (line) => {
      reports.push(line);
    },
  });
  atEnd(scope, () => signer.close());
  return { signer, controller, reports };
}

async function assertFails(
  promise: Promise<unknown>,
  code: ErrorCode,
  pattern = /./,
): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message}\n${error.hint ?? ''}`, pattern);
    return error;
  }
  throw new assert.AssertionError({ message: `no ${code}` });
}

/** Says the greeting, then answers each line. */
function answering(
  greeting: string,
  answer: (line: string) => string | Promise<string>,
): (socket: Socket) => void {
  return (socket) => {
    socket.write(greeting);
    let rest = '';
    let replies = Promise.resolve();
    socket.setEncoding('latin1').on('data', (part: string) => {
      const lines = (rest + part).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((text) => text !== '!errors')) {
        replies = replies.then(async () => {
          socket.write(await answer(line));
        });
      }
    });
  };
}

async function signLine(line: string): Promise<string> {
  const signature = await signWithKey('ES256', KEY.privateKey, Buffer.from(line));
  return `${signature.toString('base64url')}\r\n`;
}

describe('the place of the socket', () => {
  it('must let nobody else answer, and not everybody in', async (t) => {
    const { config, path, folder } = await startSigner(t, answering(GREETING, signLine));
    for (const [target, mode] of [
      [path, 0o606],
      [path, 0o604],
      [path, 0o602],
      [folder, 0o770],
      [folder, 0o1777],
    ] as const) {
      await chmod(target, mode);
      const hint = target === folder ? /install -d -m 0700/ : /chmod/;
      await assertFails(open(t, config), 'SYS_UNSAFE_PATH', hint);
      await chmod(target, target === folder ? 0o700 : 0o600);
    }
    // A signer with a socket for a group: clavigerd's `mode = "0660"`, systemd's SocketMode=.
    for (const mode of [0o611, 0o660]) {
      await chmod(path, mode);
      await open(t, config);
    }
  });

  it('may be missing, which is told with a hint', async (t) => {
    const path = join(await makeTempDir(t), 'S');
    await assertFails(open(t, { kind: 'socket', path }), 'CLIENT_SIGNER', /is clavigerd running/);
  });

  it('may be a file or too long a path', async (t) => {
    const path = join(await makeTempDir(t), 'S');
    await writeFile(path, '', { mode: 0o600 });
    await assertFails(open(t, { kind: 'socket', path }), 'SYS_SOCKET', /not a socket/);
    await assertFails(open(t, { kind: 'socket', path: `/${'x'.repeat(107)}` }), 'SYS_SOCKET');
  });

  it('may be left by a daemon that died', async (t) => {
    const { socket, process: daemon } = await startClavigerd(t, {
      key: await writeAccountKey(t, 'ES256'),
    });
    daemon.signal('SIGKILL');
    await daemon.waitForExit();
    await assertFails(open(t, { kind: 'socket', path: socket }), 'CLIENT_SIGNER', /ECONNREFUSED/);
  });
});

describe('a signer', () => {
  it('that works is used for many requests at once on one connection', async (t) => {
    let connections = 0;
    const { config } = await startSigner(t, (socket) => {
      connections += 1;
      answering(GREETING, signLine)(socket);
    });
    const { signer } = await open(t, config);
    const signatures = await Promise.all(
      Array.from({ length: 50 }, (_, at) => signer.sign(`aGVhZGVy${at}`, '')),
    );
    assert.equal(new Set(signatures).size, 50);
    assert.equal(connections, 1);
  });

  it('that is silent is not waited for without end', async (t) => {
    const { config } = await startSigner(t, () => undefined);
    await assertFails(open(t, config), 'CLIENT_SIGNER', /no greeting within.*\n.*another client/);
  });

  it('that speaks another protocol is left', async (t) => {
    const { config } = await startSigner(t, (socket) => socket.write('220 mail.test ESMTP\r\n'));
    await assertFails(open(t, config), 'PROTO_GREETING');
  });

  it('that closes at once is told as such', async (t) => {
    const { config } = await startSigner(t, (socket) => socket.end());
    await assertFails(open(t, config), 'PROTO_GREETING', /without a greeting/);
  });

  it('that does not sign in time fails the request and all after it', async (t) => {
    const { config } = await startSigner(t, (socket) => socket.write(GREETING));
    const { signer } = await open(t, config);
    const both = [signer.sign('YQ', ''), signer.sign('Yg', '')];
    await Promise.all(both.map((one) => assertFails(one, 'CLIENT_SIGNER', /no signature within/)));
    await assertFails(signer.sign('Yw', ''), 'CLIENT_SIGNER');
  });

  it('that closes instead of signing is told by what it could say', async (t) => {
    for (const [greeting, pattern] of [
      [OLD_GREETING, /refused or the signer stopped/],
      [GREETING, /^signer: closed the connection$/m],
    ] as const) {
      const { config } = await startSigner(t, (socket) => {
        socket.write(greeting);
        socket.on('data', (data: Buffer) => {
          if (data.includes('.')) {
            socket.end();
          }
        });
      });
      const { signer } = await open(t, config);
      await assertFails(signer.sign('YQ', ''), 'PROTO_CLOSED', pattern);
    }
  });

  it('that refuses is quoted, and asked again for the next', async (t) => {
    const { config } = await startSigner(
      t,
      answering(GREETING, (line) =>
        line.startsWith('YQ')
          ? '!error {"code":"token-absent","detail":"the token is not there"}\r\n'
          : signLine(line),
      ),
    );
    const { signer } = await open(t, config);
    const [first, second] = [signer.sign('YQ', ''), signer.sign('Yg', '')];
    await assertFails(
      first,
      'PROTO_REFUSED',
      /token-absent.*the token is not there\n.*put the token/,
    );
    assert.match(await second, /^[\w-]{86}$/);
  });

  it('that signs something else is found out', async (t) => {
    const { config } = await startSigner(
      t,
      answering(GREETING, () => signLine('something else')),
    );
    const { signer } = await open(t, config);
    await assertFails(signer.sign('YQ', ''), 'PROTO_REPLY', /does not verify/);
  });

  it('that answers with noise is left', async (t) => {
    for (const reply of ['\u0000\r\n', 'c2ln\n', 'x'.repeat(40_000)]) {
      const { config } = await startSigner(
        t,
        answering(GREETING, () => reply),
      );
      const { signer } = await open(t, config);
      await assertFails(signer.sign('YQ', ''), 'PROTO_REPLY');
    }
  });

  it('is left when the user interrupts', async (t) => {
    const { config } = await startSigner(t, (socket) => socket.write(GREETING));
    const { signer, controller } = await open(t, config);
    const pending = signer.sign('YQ', '');
    controller.abort(new AppError('CLIENT_INTERRUPTED', 'interrupted by SIGINT'));
    await assertFails(pending, 'CLIENT_INTERRUPTED');
  });
});

describe('a signer command', () => {
  function command(script: string): SignerConfig {
    return { kind: 'command', words: [process.execPath, '-e', script] };
  }

  it('that is not there is told with a hint', async (t) => {
    const config = { kind: 'command', words: ['/nonexistent/ssh'] } as const;
    await assertFails(open(t, config), 'CLIENT_SIGNER', /cannot be started.*\n.*without a shell/);
  });

  it('that fails is told with its exit status', async (t) => {
    await assertFails(open(t, command('process.exit(255)')), 'PROTO_GREETING', /status 255/);
  });

  it('that hangs is ended', async (t) => {
    const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);";
    const pattern = /no greeting within.*\n.*by hand/;
    await assertFails(open(t, command(script)), 'CLIENT_SIGNER', pattern);
  });

  it('gets its words as they are', async (t) => {
    const word = '$(id); `id` | *';
    const script = `process.exit(process.argv[1] === ${JSON.stringify(word)} ? 7 : 8)`;
    const words = [process.execPath, '-e', script, word] as const;
    await assertFails(open(t, { kind: 'command', words }), 'PROTO_GREETING', /status 7$/m);
  });
});

describe('a signer for a whole run', () => {
  interface Shared {
    readonly signer: SharedSigner;
    readonly connections: Socket[];
  }

  async function share(scope: Scope, serve: (socket: Socket) => void): Promise<Shared> {
    const connections: Socket[] = [];
    const { config } = await startSigner(scope, (socket) => {
      connections.push(socket);
      serve(socket);
    });
    const { signal } = new AbortController();
    const signer = new SharedSigner({
      config,
      signal,
      report: () => undefined,
      trace: () => undefined,
    });
    atEnd(scope, () => signer.close());
    return { signer, connections };
  }

  it('is connected once, and anew after the connection broke', async (t) => {
    const { signal } = new AbortController();
    const { signer, connections } = await share(t, answering(GREETING, signLine));
    for (let session = 0; session < 3; session += 1) {
      const opened = await signer.open(signal);
      assert.match(await opened.sign('YQ', ''), /^[\w-]{86}$/);
    }
    assert.equal(connections.length, 1);
    const last = await signer.open(signal);
    connections[0]?.end();
    await assertFails(last.sign('YQ', ''), 'PROTO_CLOSED');
    const again = await signer.open(signal);
    assert.match(await again.sign('YQ', ''), /^[\w-]{86}$/);
    assert.equal(connections.length, 2);
  });

  it('is tried again when it could not be reached at first', async (t) => {
    const { signal } = new AbortController();
    let isUp = false;
    const { signer } = await share(t, (socket) => {
      if (isUp) {
        answering(GREETING, signLine)(socket);
      } else {
        socket.end();
      }
    });
    await assertFails(signer.open(signal), 'PROTO_GREETING');
    isUp = true;
    await signer.open(signal);
  });

  it('goes on when one session ends in the middle of a request', async (t) => {
    let answer: (line: string) => void = () => undefined;
    const { signer, connections } = await share(
      t,
      answering(GREETING, (line) =>
        line.startsWith('YQ')
          ? new Promise((resolve) => {
              answer = resolve;
            }).then(() => signLine(line))
          : signLine(line),
      ),
    );
    const controller = new AbortController();
    const first = await signer.open(controller.signal);
    const pending = first.sign('YQ', '');
    controller.abort(new AppError('ACME_TIMEOUT', 'late'));
    await assertFails(pending, 'ACME_TIMEOUT');
    await assertFails(first.sign('Yg', ''), 'ACME_TIMEOUT');
    const second = await signer.open(new AbortController().signal);
    const signature = second.sign('Yw', '');
    setTimeout(() => {
      answer('');
    }, 50);
    assert.match(await signature, /^[\w-]{86}$/);
    assert.equal(connections.length, 1);
  });
});

describe('a long rest', () => {
  it('is no reason for clavigerd to close: it is pinged', async (t) => {
    const { socket } = await startClavigerd(t, {
      key: await writeAccountKey(t, 'ES256'),
      settings: 'idle-timeout = 1',
    });
    const { signer } = await open(t, { kind: 'socket', path: socket });
    await sleep(2_500);
    const input = formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/acct/1',
      url: 'https://ca.example/order/1',
    });
    const [protectedPart = '', payload = ''] = input.split('.');
    assert.match(await signer.sign(protectedPart, payload), /^[\w-]{86}$/);
  });

  it('is not disturbed where the signer knows no ping', async (t) => {
    const lines: string[] = [];
    const { config } = await startSigner(
      t,
      answering(OLD_GREETING, (line) => {
        lines.push(line);
        return signLine(line);
      }),
    );
    const { signer } = await open(t, config);
    await sleep(600);
    await signer.sign('YQ', '');
    assert.deepEqual(lines, ['YQ.']);
  });

  it('is over when the signer answers a ping wrongly, or not at all', async (t) => {
    for (const [reply, code] of [
      ['c2ln\r\n', 'PROTO_REPLY'],
      ['', 'CLIENT_SIGNER'],
    ] as const) {
      const { config } = await startSigner(
        t,
        answering(GREETING, () => reply),
      );
      const { signer } = await open(t, config);
      await sleep(reply === '' ? 2_200 : 600);
      await assertFails(signer.sign('YQ', ''), code);
    }
  });
});

describe('the real signers', () => {
  it('clavigerd tells why it refuses, and signs the next', async (t) => {
    const { socket } = await startClavigerd(t, { key: await writeAccountKey(t, 'ES256') });
    const { signer } = await open(t, { kind: 'socket', path: socket });
    const good = formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/acct/1',
      url: 'https://ca.example/order/1',
    }).split('.');
    await assertFails(signer.sign('e30', ''), 'PROTO_REFUSED', /refused to sign \(malformed\)/);
    assert.match(await signer.sign(good[0] ?? '', good[1] ?? ''), /^[\w-]{86}$/);
  });

  it('lacme-accountd closes, which is told as such', async (t) => {
    const { socket } = await startLacmeAccountd(t, await writeAccountKey(t, 'RS256'));
    const { signer } = await open(t, { kind: 'socket', path: socket });
    await assertFails(signer.sign('e30', ''), 'PROTO_CLOSED', /refused or the signer stopped/);
  });

  it('lacme-accountd serves one client at a time, and the second is told to wait', async (t) => {
    const { socket } = await startLacmeAccountd(t, await writeAccountKey(t, 'RS256'));
    await open(t, { kind: 'socket', path: socket });
    await assertFails(open(t, { kind: 'socket', path: socket }), 'CLIENT_SIGNER', /another client/);
  });
});
