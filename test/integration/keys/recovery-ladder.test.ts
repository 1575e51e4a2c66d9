// The recovery ladder on a module that misbehaves on command: each failure of the table is
// provoked, and cured by one rung only, so that the test sees which rung was taken, and that no
// lower one was skipped.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { REMEDY_OF_RETURN_VALUE } from '../../../src/keys/helper/recovery-table.js';
import { isAppError } from '../../../src/lib/errors.js';
import { appErrorOf } from '../../support/app-error.js';
import { assertSigns, INPUT, openKey, type FaultyKey } from '../../support/keys/faulty-key.js';
import {
  CKR,
  createFaultyToken,
  returnValueOf,
  type FaultyToken,
} from '../../support/modules/fault-module.js';
import { suiteScope } from '../../support/scope.js';

/** The rungs the log tells of, lowest first. */
function rungsOf({ log }: FaultyKey): string[] {
  return log.flatMap((line) => /recovery: ([a-z-]+)$/.exec(line)?.[1] ?? []);
}

/** What ends a fault, so that one rung and no lower one helps. */
const CURE: Readonly<Record<string, string>> = {
  'find-key': 'until=C_FindObjectsInit',
  'new-session': 'until=C_OpenSession',
  'log-in': 'until=C_Logout',
  reinitialise: 'until=C_Finalize',
  'new-helper': 'process',
};

/** These are answered on the spot, in the helper; below are tests of their own. */
const ANSWERED_IN_HELPER: readonly string[] = ['CKR_OPERATION_ACTIVE', 'CKR_BUFFER_TOO_SMALL'];
/** Return values of C_Sign alone, of the rows that are not provoked at C_SignInit. */
const OF_SIGN: ReadonlySet<string> = new Set([
  'CKR_OPERATION_NOT_INITIALIZED',
  'CKR_USER_NOT_LOGGED_IN',
  'CKR_DEVICE_REMOVED',
  'CKR_DEVICE_ERROR',
  'CKR_GENERAL_ERROR',
]);

const ROWS = [...REMEDY_OF_RETURN_VALUE].filter(([name]) => !ANSWERED_IN_HELPER.includes(name));

describe('recovery from', () => {
  const scope = suiteScope();
  let shared: FaultyToken;

  before(async () => {
    shared = await createFaultyToken(scope);
  });

  for (const [name, remedy] of ROWS.filter(([, remedy]) => remedy in CURE)) {
    const where = OF_SIGN.has(name) ? 'C_Sign' : 'C_SignInit';
    it(`${name} of ${where} takes ${remedy}, and nobody notices`, async (t) => {
      const fixture = await openKey(t, {}, shared);
      const [before] = fixture.key.helperPids;
      fixture.setFaults(`${where} rv=${returnValueOf(name)} ${CURE[remedy] ?? ''}`);
      await assertSigns(fixture);
      assert.deepEqual(rungsOf(fixture), [remedy]);
      assert.equal(fixture.key.helperPids[0] === before, remedy !== 'new-helper');
      await assertSigns(fixture);
      assert.deepEqual(rungsOf(fixture), [remedy], 'nothing is left to recover from');
    });
  }

  for (const [name, remedy] of ROWS.filter(([, remedy]) => !(remedy in CURE))) {
    const isOfLogin = /^CKR_(PIN|USER)_/.test(name);
    it(`${name} is not tried: ${remedy === 'request' ? 'the request' : 'a person'}`, async (t) => {
      const fixture = await openKey(t, {}, shared);
      const value = returnValueOf(name);
      const faults = isOfLogin
        ? [
            `C_SignInit rv=${returnValueOf('CKR_SESSION_CLOSED')} until=C_OpenSession`,
            `C_Login rv=${value}`,
          ]
        : [`C_SignInit rv=${value} count=1`];
      fixture.setFaults(...faults);
      await assert.rejects(fixture.key.sign(INPUT), new RegExp(name));
      assert.deepEqual(rungsOf(fixture), isOfLogin ? ['new-session'] : []);
      assert.equal(fixture.key.isAvailable, !isOfLogin);
      const seen = fixture.calls().filter((call) => call.returnValue === value);
      assert.equal(seen.length, 1);
      if (!isOfLogin) {
        await assertSigns(fixture);
      }
    });
  }

  it('CKR_OPERATION_ACTIVE burns the operation and tries once more, in the helper', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(`C_SignInit rv=${CKR.CKR_OPERATION_ACTIVE} until=C_Sign`);
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), []);
    const calls = fixture.calls().slice(-4);
    assert.deepEqual(
      calls.map((call) => call.name),
      ['C_SignInit', 'C_Sign', 'C_SignInit', 'C_Sign'],
    );
  });

  it('CKR_OPERATION_ACTIVE that stays takes new-session', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(`C_SignInit rv=${CKR.CKR_OPERATION_ACTIVE} until=C_OpenSession`);
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-session']);
  });

  it('CKR_BUFFER_TOO_SMALL tries once more with a larger buffer, in the helper', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign small=3000');
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), []);
    assert.deepEqual(
      fixture
        .calls('C_Sign')
        .slice(-2)
        .map((call) => call.returnValue),
      [CKR.CKR_BUFFER_TOO_SMALL, CKR.CKR_OK],
    );
  });

  it('CKR_BUFFER_TOO_SMALL that stays takes new-helper', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(`C_Sign rv=${CKR.CKR_BUFFER_TOO_SMALL} process`);
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-helper']);
  });

  it('CKR_SESSION_COUNT ends sessions that were lost count of', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(
      `C_SignInit rv=${CKR.CKR_SESSION_CLOSED} until=C_Initialize`,
      `C_OpenSession rv=${CKR.CKR_SESSION_COUNT} until=C_Finalize`,
    );
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-session', 'reinitialise']);
  });

  it('a session that ends while idle takes new-session', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(
      `C_SignInit rv=${CKR.CKR_SESSION_HANDLE_INVALID} idle=50 until=C_OpenSession`,
    );
    await assertSigns(fixture);
    await new Promise((resolve) => setTimeout(resolve, 120));
    await assertSigns(fixture);
    assert.ok(rungsOf(fixture).every((rung) => rung === 'new-session'));
    assert.ok(rungsOf(fixture).length > 0);
  });

  it('a crash takes new-helper, and logs in once more', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults('C_Sign crash process');
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-helper']);
    assert.match(fixture.log.join('\n'), /ended \(SIGSEGV\)/);
    assert.equal(fixture.calls('C_Login').length, 2);
  });
});

describe('the ladder', () => {
  it('is climbed rung by rung until one holds', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(`C_SignInit rv=${CKR.CKR_OBJECT_HANDLE_INVALID} process`);
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), [
      'find-key',
      'new-session',
      'log-in',
      'reinitialise',
      'new-helper',
    ]);
  });

  it('never has two sessions open, and drops handles with each', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(
      `C_SignInit rv=${CKR.CKR_SESSION_HANDLE_INVALID} until=C_OpenSession`,
      `C_OpenSession rv=${CKR.CKR_SESSION_COUNT} sessions=1`,
    );
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-session']);
    const names = fixture.calls().map((call) => call.name);
    assert.ok(names.lastIndexOf('C_FindObjectsInit') > names.lastIndexOf('C_OpenSession'));
  });

  it('goes on from a rung that fails itself', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(
      `C_SignInit rv=${CKR.CKR_SESSION_CLOSED} until=C_Finalize`,
      `C_OpenSession rv=${CKR.CKR_DEVICE_ERROR} until=C_Finalize`,
    );
    await assertSigns(fixture);
    assert.deepEqual(rungsOf(fixture), ['new-session', 'reinitialise']);
  });

  it('ends: when nothing helps the request gets the error', async (t) => {
    const fixture = await openKey(t);
    fixture.setFaults(`C_SignInit rv=${CKR.CKR_GENERAL_ERROR}`);
    const error = await appErrorOf(() => fixture.key.sign(INPUT), 'TOKEN_FAILED');
    assert.match(error.message, /C_SignInit: CKR_GENERAL_ERROR/);
    assert.deepEqual(rungsOf(fixture), ['reinitialise', 'new-helper']);
  });

  it('serves requests that failed together by one climb', async (t) => {
    const fixture = await openKey(t);
    await assertSigns(fixture);
    await assertSigns(fixture);
    fixture.setFaults(`C_SignInit rv=${CKR.CKR_SESSION_HANDLE_INVALID} until=C_OpenSession`);
    await Promise.all(Array.from({ length: 10 }, () => assertSigns(fixture)));
    assert.deepEqual(rungsOf(fixture), ['new-session']);
  });
});

/** Keeps the helpers busy until so many of them have come up. */
async function untilReady(fixture: FaultyKey, helpers: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  const ready = (): number => fixture.log.filter((line) => line.includes('helper: ready,')).length;
  while (ready() < helpers) {
    assert.ok(Date.now() < deadline, 'the helpers came up in time');
    await Promise.all([fixture.key.sign(INPUT), fixture.key.sign(INPUT)]);
  }
}

describe('a refused PIN', () => {
  for (const [name, code] of [
    ['CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'],
    ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
    ['CKR_PIN_EXPIRED', 'TOKEN_PIN_LOCKED'],
  ] as const) {
    it(`(${name}) was sent once, whatever is asked of all helpers`, async (t) => {
      const fixture = await openKey(t, { helpers: 2 });
      await untilReady(fixture, 2); // one still starting would make the one attempt, for no request
      fixture.setFaults(
        `C_SignInit rv=${CKR.CKR_SESSION_CLOSED} until=C_OpenSession`,
        `C_Login rv=${CKR[name]}`,
      );
      const attempts = Array.from({ length: 6 }, () => fixture.key.sign(INPUT));
      const codes = (await Promise.allSettled(attempts)).map((result) =>
        result.status === 'rejected' && isAppError(result.reason) ? result.reason.code : 'none',
      );
      assert.ok(codes.includes(code), codes.join());
      for (let count = 0; count < 3; count += 1) {
        await assert.rejects(fixture.key.sign(INPUT));
      }
      const logins = fixture.calls('C_Login').filter((call) => call.returnValue === CKR[name]);
      assert.equal(logins.length, 1);
    });
  }
});
