import assert from 'node:assert/strict';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import type { ListenConfig, ListenPlace } from '../../../src/config/daemon/listen-settings.js';
import { parseClavigerdConfig } from '../../../src/config/daemon/config.js';
import { LazyKey } from '../../../src/daemon/lazy-key.js';
import { ListenerService } from '../../../src/daemon/listener-service.js';
import { RefusalRegister } from '../../../src/daemon/refusals/register.js';
import { TurnScheduler } from '../../../src/daemon/turn-scheduler.js';
import type { AccountKey } from '../../../src/keys/account-key.js';
import { systemClock } from '../../../src/lib/clock.js';
import { effectiveUserId } from '../../../src/sys/user.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { StreamDouble } from '../../support/daemon/stream-double.js';
import { accountKeyOf, makeKey } from '../../support/keys/keys.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';
import { atEnd, suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const scope = suiteScope();
const KEY = accountKeyOf(makeKey('ES256'));
const REQUEST = formatSigningInput({
  alg: 'ES256',
  kid: 'https://ca.example/a/1',
  url: 'https://ca.example/o',
});

let folder: string;
before(async () => {
  folder = await makeTempDir(scope);
});

interface BedOptions {
  readonly name?: string;
  readonly place?: ListenPlace;
  readonly listenerCount?: number;
  readonly key?: AccountKey;
}

/** A listener as the daemon makes it from a configuration of defaults. */
function makeBed(t: TestContext, options: BedOptions = {}) {
  const { name = 'web', listenerCount = 1, key = KEY } = options;
  const path = join(folder, `${name}.sock`);
  const config = parseClavigerdConfig({
    source: 'clavigerd.toml',
    text: 'privkey = "/k.pem"\nsocket = "/s"\n',
    commandLine: {},
    specifiers: new Map(),
    stateDirectory: folder,
    start: undefined,
    groupIdOf: () => undefined,
    checkPolicy: () => undefined,
  });
  const [account] = config.accounts;
  assert.ok(account !== undefined);
  const place: ListenPlace = options.place ?? {
    ...{ kind: 'socket', path, mode: 0o600, group: undefined, groupId: undefined },
  };
  const listen: ListenConfig = {
    ...config.limits,
    name,
    place,
    account: account.name,
    policy: undefined,
  };
  const { log, lines } = newLogLines();
  const refusals = new RefusalRegister(undefined);
  const service = new ListenerService({
    ...{ config, listen, account, log, refusals, listenerCount },
    named: undefined,
    keys: new LazyKey(() => Promise.resolve(key), systemClock),
    audit: undefined,
    ledger: undefined,
    userId: effectiveUserId(),
    scheduler: new TurnScheduler({ now: () => performance.now(), defer: setImmediate }),
  });
  atEnd(t, async () => {
    service.stop();
    await service.finish(0);
  });
  return { service, path, log: lines, refusals };
}

describe('ListenerService', () => {
  it('binds its socket, greets, signs, and removes the socket when it stops', async (t) => {
    const { service, path, log } = makeBed(t);
    await service.open([], KEY);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.match(log[0] ?? '', /^ready key="?test key"? alg=ES256 mode=all-operations socket=/);
    const client = await connectLineClient(path);
    const { jwk } = await client.readGreeting();
    assert.deepEqual(JSON.parse(jwk), KEY.jwk);
    assert.match((await client.ask(REQUEST)) ?? '', /^[\w-]{86}$/);
    service.stop();
    assert.equal(existsSync(path), false);
    await service.finish(5000);
    assert.equal(await client.readLine(), undefined);
    client.close();
  });

  it('has a client that comes before the key is known wait for it', async (t) => {
    const { service, path } = makeBed(t, { name: 'early' });
    await service.open([], undefined);
    const client = await connectLineClient(path);
    assert.match((await client.readGreeting()).greeting, /^1 OK /);
    client.close();
  });

  it('names its connections after itself where it is one of several', (t) => {
    const { service, log } = makeBed(t, { place: { kind: 'stdio' }, listenerCount: 2 });
    service.greetWith(KEY).add(new StreamDouble());
    assert.match(log.at(-1) ?? '', /^connected conn=web\/1$/);
    assert.match(log[0] ?? '', / socket=stdio$/);
  });

  it('writes its joined log lines when the records are flushed', (t) => {
    const { service, log, refusals } = makeBed(t, { place: { kind: 'stdio' } });
    const pool = service.greetWith(KEY);
    for (let at = 0; at < 66; at += 1) {
      pool.add(new StreamDouble());
    }
    const before = log.length;
    refusals.flush();
    assert.ok(log.length > before);
    assert.match(log.at(-1) ?? '', /^(?:connected|refused) .*count=\d+ /);
  });

  it('keeps no socket that was bound while it was stopped', async (t) => {
    const { service, path } = makeBed(t, { name: 'stopped' });
    const opened = service.open([], KEY);
    service.stop();
    await opened;
    await service.finish(0);
    assert.equal(existsSync(path), false);
    await service.open([], KEY);
    assert.equal(existsSync(path), false, 'and binds none afterwards');
  });

  it('leaves alone what is at its path, and what somebody put there later', async (t) => {
    const taken = makeBed(t, { name: 'taken' });
    writeFileSync(taken.path, 'x');
    await assert.rejects(taken.service.open([], KEY), { code: 'SYS_SOCKET' });
    const { service, path } = makeBed(t, { name: 'replaced' });
    await service.open([], KEY);
    rmSync(path);
    writeFileSync(path, 'another');
    service.stop();
    assert.ok(existsSync(path));
  });
});
