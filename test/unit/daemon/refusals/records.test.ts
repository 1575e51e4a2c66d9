import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { AuditLog } from '../../../../src/audit/audit-log.js';
import type { AuditEntry, AuditRecord } from '../../../../src/audit/audit-record.js';
import { RefusalRecords } from '../../../../src/daemon/refusals/records.js';
import { RefusalRegister } from '../../../../src/daemon/refusals/register.js';
import { systemClock } from '../../../../src/lib/clock.js';
import { readRecords } from '../../../support/audit/audit-chain.js';
import { newLogLines } from '../../../support/daemon/log-lines.js';
import { settle } from '../../../support/daemon/stream-double.js';
import { ManualTimers } from '../../../support/manual-timers.js';
import { atEnd } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

function entryOf(change: Partial<AuditEntry> = {}): AuditEntry {
  return {
    ...{ event: 'decision', verdict: 'denied', account: 'default', listener: 'web' },
    ...{ connection: '1', operation: 'new-order', code: 'denied', reason: 'no' },
    ...{ rule: 'web.identifiers', identifiers: ['dns:a.example'] },
    ...change,
  };
}

/** Records in the log alone, unless there is an audit log. */
function makeBed({ audit, quiet = false }: { audit?: AuditLog; quiet?: boolean } = {}) {
  const timers = new ManualTimers();
  const { log, lines } = newLogLines({ quiet });
  const register = new RefusalRegister(undefined);
  const records = new RefusalRecords(log, audit, register, timers);
  const add = (change: Partial<AuditEntry> = {}): Promise<boolean> =>
    records.add({ entry: entryOf(change), names: ['dns:a.example'] }, 'warning');
  return { timers, log: lines, register, records, add };
}

/** Records in an audit log; `read` gives its decisions and gaps. */
async function makeAuditBed(t: TestContext) {
  const folder = await makeTempDir(t);
  const path = join(folder, 'audit.jsonl');
  const audit = AuditLog.open({
    ...{ path, headPath: join(folder, 'state', 'head'), isDurable: false, version: '1' },
    clock: systemClock,
    onTrouble: () => undefined,
  });
  atEnd(t, () => audit.close());
  const read = (): AuditRecord[] => readRecords(path).filter(({ event }) => event !== 'start');
  return { ...makeBed({ audit, quiet: true }), audit, read };
}

/** What of the promises has resolved so far. */
function watch(promises: readonly Promise<boolean>[]): boolean[] {
  const resolved: boolean[] = [];
  for (const promise of promises) {
    void promise.then((isRecorded) => resolved.push(isRecorded));
  }
  return resolved;
}

describe('RefusalRecords', () => {
  it('writes the first of a kind at once, as a line with what was refused and why', async () => {
    const { add, log } = makeBed();
    assert.equal(await add(), true);
    assert.deepEqual(log, [
      'refused conn=1 op=new-order names=dns:a.example code=denied rule=web.identifiers reason=no',
    ]);
  });

  it('gives each verdict its event, and a rule to those that have one', async () => {
    const { records, log } = makeBed();
    const add = (change: Partial<AuditEntry>): Promise<boolean> =>
      records.add({ entry: entryOf(change), names: [] }, 'error', 'do this');
    await add({ verdict: 'failed', code: 'TOKEN_TIMEOUT', identifiers: undefined });
    await add({ verdict: 'cancelled', code: undefined, operation: undefined });
    await add({ verdict: 'rate-limited', code: 'rate-limited', unread: 'csr' });
    await add({ verdict: 'malformed', connection: undefined, url: 'https://a', operation: 'read' });
    assert.deepEqual(log, [
      'failed conn=1 op=new-order code=TOKEN_TIMEOUT reason=no hint="do this"',
      'cancelled conn=1 op=unknown names=dns:a.example reason=no hint="do this"',
      'refused conn=1 op=new-order names=dns:a.example unread=csr code=rate-limited ' +
        'rule=web.identifiers reason=no hint="do this"',
      'refused listener=web url=https://a names=dns:a.example code=denied reason=no hint="do this"',
    ]);
  });

  it('joins what follows of the kind, until ten seconds later', async () => {
    const { add, log, timers } = makeBed();
    await Promise.all([add(), add(), add({ connection: '2' })]);
    assert.equal(log.length, 1);
    await timers.advance(9999);
    assert.equal(log.length, 1);
    await timers.advance(2);
    assert.match(
      log[1] ?? '',
      /^refused listener=web op=new-order names=dns:a\.example name-count=1 .* count=2 first-time=/,
    );
    await timers.advance(60_000);
    assert.equal(log.length, 2);
    assert.equal(timers.running, 0);
  });

  it('writes at most 32 KiB a second, and 8 KiB at once: replies wait for their records', async () => {
    const { add, log, timers } = makeBed();
    const reason = 'x'.repeat(1000);
    const added = Array.from({ length: 60 }, (_, at) => add({ reason, rule: `r${at}` }));
    const resolved = watch(added);
    await settle();
    assert.ok(log.length >= 6 && log.length <= 7, `${log.length} at once`);
    assert.equal(resolved.length, log.length);
    await timers.advance(1000);
    await settle();
    assert.ok(log.length >= 29 && log.length <= 35, `${log.length} in a second`);
    await timers.advance(2000);
    await settle();
    assert.equal(log.length, 60);
    assert.deepEqual(resolved, Array(60).fill(true));
  });

  it('answers 256 refusals at once, and then so many a second, two seconds late at most', async () => {
    const { add, timers } = makeBed();
    const resolved = watch(Array.from({ length: 257 }, () => add()));
    await settle();
    assert.ok(resolved.length <= 257);
    const late = watch(Array.from({ length: 256 }, () => add()));
    await timers.advance(900);
    await settle();
    assert.deepEqual(late, []);
    await timers.advance(150);
    await settle();
    assert.equal(late.length, 256);
    const flood = watch(Array.from({ length: 5000 }, () => add()));
    await timers.advance(1999);
    await settle();
    assert.deepEqual(flood, []);
    await timers.advance(1);
    await settle();
    assert.equal(flood.length, 5000);
  });

  it('lets 256 first ones wait, and notes the number of the others', async (t) => {
    const { add, register, audit, read, timers } = await makeAuditBed(t);
    const added = Array.from({ length: 400 }, (_, at) => add({ rule: `r${at}` }));
    const resolved = watch(added);
    register.flush();
    await timers.advance(2000);
    const lost = resolved.filter((isRecorded) => !isRecorded).length;
    assert.ok(lost > 50 && lost < 144, `${lost} are not recorded`);
    assert.equal(resolved.length, 400);
    await audit.append({ event: 'stop' });
    const records = read();
    assert.equal(records.filter(({ event }) => event === 'decision').length, 400 - lost);
    const gap = records.find(({ event }) => event === 'gap');
    assert.match(gap?.reason ?? '', new RegExp(`^${lost} records could not be written: 256 of`));
  });

  it('writes all that is joined when it is flushed, and a quiet log has none of it', async (t) => {
    const { add, register, read, log } = await makeAuditBed(t);
    await Promise.all([add(), add(), add()]);
    register.flush();
    await settle();
    assert.deepEqual(
      read().map(({ verdict, count, connection }) => [verdict, count, connection]),
      [
        ['denied', undefined, '1'],
        ['denied', 2, undefined],
      ],
    );
    assert.deepEqual(log, []);
  });

  it('is not recorded when the audit log cannot be written, nor are those that joined it', async (t) => {
    const { add, audit } = await makeAuditBed(t);
    await audit.close();
    assert.deepEqual(await Promise.all([add(), add()]), [false, false]);
  });
});
