// Token helpers under a module that misbehaves: hangs, crashes without end, tokens that are away,
// memory that grows, touches that take long, and many clients at once. The keys' side; the daemon's
// is beside it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifySignature } from '../../../src/jose/signature.js';
import { UnsentError } from '../../../src/keys/account-key.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openPkcs11Key } from '../../../src/keys/pkcs11-key.js';
import { appErrorOf } from '../../support/app-error.js';
import { assertSigns, INPUT, openKey, type FaultyKey } from '../../support/keys/faulty-key.js';
import { clientOf } from '../../support/daemon/clients.js';
import { CKR, createFaultyToken } from '../../support/modules/fault-module.js';
import { stateDirectoryOfTest } from '../../support/process.js';

/** Most looks at something that is to happen. */
const MAX_LOOKS = 2_000;

async function waitFor(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await isSo()); looks += 1) {
    assert.ok(looks < MAX_LOOKS, `waited in vain: ${what}`);
    await sleep(10);
  }
}

/** Helpers that got as far as their module. */
function startsOf(fixture: FaultyKey): number {
  return new Set(fixture.calls('C_Initialize').map(({ pid }) => pid)).size;
}

describe('a helper that hangs', () => {
  it('in C_Sign is killed at the deadline; the next request gets a fresh one', async (t) => {
    const fixture = await openKey(t, { signTimeoutMs: 700 });
    const [before] = fixture.key.helperPids;
    fixture.setFaults('C_Sign hang process');
    const first = appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_TIMEOUT');
    const behind = assertSigns(fixture);
    assert.match((await first).message, /no answer within 0\.7 s/);
    await behind;
    assert.notEqual(fixture.key.helperPids[0], before);
    assert.ok(fixture.key.isAvailable, 'one hang is no outage');
  });

  it('at its start, is not waited for when all ends', { timeout: 120_000 }, async (t) => {
    const fixture = await openKey(t, { signTimeoutMs: 600_000 });
    fixture.setFaults('C_SignInit crash', 'C_Initialize hang');
    const failure = appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_HELPER');
    await waitFor('a second start', () => startsOf(fixture) === 2);
    await fixture.key.close();
    await failure;
  });

  it('whatever it hangs in, does not hang the daemon', async (t) => {
    const fixture = await openKey(t, { signTimeoutMs: 700 });
    for (const name of [
      'C_SignInit',
      'C_Finalize',
      'C_OpenSession',
      'C_Login',
      'C_FindObjectsInit',
    ]) {
      fixture.setFaults(
        `C_SignInit rv=${CKR.CKR_GENERAL_ERROR} until=C_Initialize`,
        `${name} hang process`,
      );
      await fixture.key.sign(INPUT).catch(() => undefined);
      fixture.setFaults();
      await waitFor('the token is in service', () => fixture.key.isAvailable);
      await assertSigns(fixture);
    }
  });

  it('time after time opens the breaker: requests are then answered at once', async (t) => {
    const fixture = await openKey(t, { signTimeoutMs: 800 });
    fixture.setFaults('C_Sign hang');
    for (let count = 0; count < 3; count += 1) {
      await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_TIMEOUT');
    }
    assert.equal(fixture.key.isAvailable, false);
    const error = await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_TIMEOUT');
    assert.ok(error instanceof UnsentError);
    fixture.setFaults();
    await waitFor('the probe brings it back', () => fixture.key.isAvailable);
    await assertSigns(fixture);
  });
});

describe('a module that hangs when it starts', () => {
  it('is out of service until it starts again', async (t) => {
    const fixture = await openKey(t, { signTimeoutMs: 500 });
    fixture.setFaults('C_Initialize hang', 'C_Sign crash');
    await waitFor('it is out of service', async () => {
      await assert.rejects(fixture.key.sign(INPUT));
      return !fixture.key.isAvailable;
    });
    assert.ok(startsOf(fixture) <= 4, `${startsOf(fixture)} processes`);
    fixture.setFaults();
    await waitFor('the probe brings it back', () => fixture.key.isAvailable);
    await assertSigns(fixture);
  });
});

describe('a module that crashes without end', () => {
  it('costs a handful of processes, whatever is asked, and is back when it is mended', async (t) => {
    const fixture = await openKey(t, { helpers: 2 });
    fixture.setFaults('C_Sign crash');
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, () => fixture.key.sign(INPUT)),
    );
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.equal(fixture.key.isAvailable, false);
    assert.ok(startsOf(fixture) <= 10, `${startsOf(fixture)} processes`);
    assert.ok(fixture.log.filter((line) => line.startsWith('error ')).length <= 2, 'one a helper');
    fixture.setFaults();
    await waitFor('the probe brings it back', () => fixture.key.isAvailable);
    await assertSigns(fixture);
    assert.match(fixture.log.join('\n'), /notice token: in service again/);
  });

  it('when it starts is not started over and over either', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Initialize crash', 'C_Sign crash');
    for (let count = 0; count < 100; count += 1) {
      await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_HELPER');
    }
    assert.ok(startsOf(fixture) <= 4, `${startsOf(fixture)} processes`);
  });
});

describe('a token that is away', () => {
  it('is told at once, and used when it returns, without a request', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(
      'C_GetSlotList empty',
      `C_SignInit rv=${CKR.CKR_DEVICE_REMOVED} until=C_OpenSession`,
    );
    await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_NOT_FOUND');
    assert.equal(fixture.key.isAvailable, false);
    const starts = startsOf(fixture);
    for (let count = 0; count < 50; count += 1) {
      const error = await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_NOT_FOUND');
      assert.ok(error instanceof UnsentError);
    }
    assert.ok(startsOf(fixture) <= starts + 1, 'requests start nothing; the probe may have');
    fixture.setFaults();
    await waitFor('the probe brings it back', () => fixture.key.isAvailable);
    await assertSigns(fixture);
    const logins = fixture.calls('C_Login');
    assert.ok(logins.every((call) => call.returnValue === CKR.CKR_OK));
    assert.equal(
      fixture.log.filter((line) => line.includes('out of service')).length,
      1 + debugOf(fixture),
    );
  });

  function debugOf({ log }: FaultyKey): number {
    return log.filter((line) => line.startsWith('debug ') && line.includes('out of service'))
      .length;
  }
});

describe('several helpers', () => {
  it('start when there is work, sign beside each other, and one goes on when the other is killed', async (t) => {
    const fixture = await openKey(t, { helpers: 2 });
    await assertSigns(fixture);
    await assertSigns(fixture);
    assert.equal(startsOf(fixture), 1, 'one client needs one');
    fixture.setFaults('C_Sign sleep=5');
    await waitFor('both are at work', async () => {
      await Promise.all([1, 2, 3, 4].map(() => assertSigns(fixture)));
      return new Set(fixture.calls('C_Sign').map(({ pid }) => pid)).size === 2;
    });
    const [first, second] = fixture.key.helperPids;
    assert.ok(first !== undefined && second !== undefined);
    const all = Array.from({ length: 50 }, () => assertSigns(fixture));
    process.kill(first, 'SIGKILL');
    await Promise.all(all);
    assert.ok(fixture.key.helperPids.includes(second));
  });

  it('start one after another, whoever starts them', async (t) => {
    const faulty = await createFaultyToken(t);
    faulty.setFaults('C_Login sleep=30');
    const context: KeyContext = {
      env: { ...faulty.hsm.env },
      log: () => undefined,
      stateDirectory: stateDirectoryOfTest,
    };
    const keys = await Promise.all([1, 2, 3].map(() => openPkcs11Key(faulty.uri, context)));
    const pids = faulty
      .calls()
      .filter(({ name }) => ['C_Initialize', 'C_OpenSession', 'C_Login'].includes(name))
      .map(({ pid }) => pid);
    await Promise.all(keys.map((key) => key.close()));
    assert.equal(pids.length, 9);
    assert.equal(pids.filter((pid, at) => pid !== pids[at - 1]).length, 3, pids.join());
  });

  it('do with one when the token has sessions for one only', async (t) => {
    const fixture = await openKey(t, { helpers: 2 });
    fixture.setFaults(`C_OpenSession rv=${CKR.CKR_SESSION_COUNT}`, 'C_Sign sleep=5');
    await waitFor('the second gives up', async () => {
      await Promise.all([1, 2, 3, 4].map(() => assertSigns(fixture)));
      return fixture.log.some((line) => line.includes('out of service'));
    });
    assert.equal(fixture.key.isAvailable, true);
    await Promise.all(Array.from({ length: 20 }, () => assertSigns(fixture)));
    assert.ok(startsOf(fixture) <= 4);
  });
});

describe('the queue', () => {
  it('serves clients in turn: one request waits for one of a flood, not for all', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign sleep=30');
    const order: string[] = [];
    const ask = (client: string): Promise<void> =>
      fixture.key.sign(INPUT, { client: clientOf(client) }).then(() => {
        order.push(client);
      });
    const flood = Array.from({ length: 12 }, () => ask('flood'));
    await flood[0];
    await Promise.all([ask('single'), ...flood]);
    assert.ok(order.indexOf('single') <= 4, order.join());
  });

  it('serves listeners in turn: one request waits for one of a flood of connections, not for all', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign sleep=30');
    const order: string[] = [];
    const ask = (client: string): Promise<void> =>
      fixture.key.sign(INPUT, { client: clientOf(client) }).then(() => {
        order.push(client);
      });
    const flood = Array.from({ length: 40 }, (_, at) => ask(`flood/${at}`));
    await flood[0];
    await Promise.all([ask('other/single'), ...flood]);
    assert.ok(order.indexOf('other/single') <= 4, order.join());
  });

  it('forgets what a client waits for that is gone', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign sleep=100');
    const kept = fixture.key.sign(INPUT, { client: clientOf('a') });
    const dropped = [1, 2, 3].map(() =>
      appErrorOf(() => fixture.key.sign(INPUT, { client: clientOf('b') }), 'KEY_CANCELLED'),
    );
    fixture.key.cancel(clientOf('b'));
    await Promise.all(dropped);
    await kept;
    assert.equal(fixture.calls('C_Sign').length, 1);
  });
});

describe('a touch', () => {
  it('that is waited for is told of, once, and then the signature comes', async (t) => {
    const fixture = await openKey(t, { touchNoticeMs: 50 });
    fixture.setFaults('C_Sign sleep=400');
    let notices = 0;
    const onNotice = (): void => {
      notices += 1;
    };
    await fixture.key.sign(INPUT, { client: clientOf('a'), onNotice });
    assert.equal(notices, 1);
    const told = fixture.log.filter((line) => /^notice token: .*wait for a touch/.test(line));
    assert.equal(told.length, 1);
  });

  it('that never comes does not block others once the client has left', async (t) => {
    const fixture = await openKey(t, { touchNoticeMs: 50 });
    fixture.setFaults('C_Sign hang process');
    let forget = (): void => undefined;
    const noticed = new Promise<void>((resolve) => {
      forget = resolve;
    });
    const asked = fixture.key.sign(INPUT, { client: clientOf('gone'), onNotice: forget });
    const other = assertSigns(fixture);
    await noticed;
    fixture.key.cancel(clientOf('gone'));
    await assert.rejects(asked);
    await other;
    assert.ok(fixture.key.isAvailable);
  });

  it('does not block others either when the client left before it was late', async (t) => {
    const fixture = await openKey(t, { touchNoticeMs: 200 });
    fixture.setFaults('C_Sign hang process');
    const asked = assert.rejects(fixture.key.sign(INPUT, { client: clientOf('gone') }));
    fixture.key.cancel(clientOf('gone'));
    await asked;
    await assertSigns(fixture);
  });
});

describe('memory', () => {
  it('that grows has the helper replaced between requests: none fails', async (t) => {
    const fixture = await openKey(t);
    const [before] = fixture.key.helperPids;
    fixture.setFaults('C_Sign grow=400 process count=1');
    for (let count = 0; fixture.key.helperPids[0] === before; count += 1) {
      assert.ok(count < 500, 'it is replaced');
      await assertSigns(fixture);
      await sleep(10);
    }
    await assertSigns(fixture);
    assert.match(fixture.log.join('\n'), /notice token helper: replaced, its memory has grown/);
    assert.ok(fixture.calls().some((call) => call.name === 'C_Finalize' && call.pid === before));
  });
});

describe('a helper that signed wrongly', () => {
  it('is replaced', async (t) => {
    const fixture = await openKey(t);
    const [before] = fixture.key.helperPids;
    fixture.setFaults('C_Sign corrupt process');
    const signature = await fixture.key.sign(INPUT);
    assert.ok(!verifySignature('ES256', fixture.key.publicKey, INPUT, signature.bytes));
    signature.reject();
    await assertSigns(fixture);
    assert.notEqual(fixture.key.helperPids[0], before);
  });

  it('again and again is out of service', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign corrupt');
    for (let count = 0; fixture.key.isAvailable; count += 1) {
      assert.ok(count < 10);
      (await fixture.key.sign(INPUT)).reject();
    }
    await assert.rejects(fixture.key.sign(INPUT), UnsentError);
  });
});
