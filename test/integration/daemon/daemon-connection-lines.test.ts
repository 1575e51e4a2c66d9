// What the live daemon logs of clients that come and go, are too many, or ask a token that cannot
// sign: each is counted, and none can fill the log. The real daemon, with a key in a file or a real
// token behind a module that misbehaves.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { connectAskingClient } from '../../support/daemon/asking-client.js';
import { readRecords } from '../../support/audit/audit-chain.js';
import {
  makeSectionBed,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { createFaultyToken } from '../../support/modules/fault-module.js';

const FLOOD_MS = 2000;
const MOST_CONNECTIONS = 20_000;
/** Lines of an event: 64 at once, two a second, and one for all others in ten seconds. */
const linesWithin = (ms: number): number => 64 + 2 * Math.ceil(ms / 1000) + Math.ceil(ms / 10_000);

/** Connects and is away, again and again. @returns how often */
async function comeAndGo(path: string): Promise<number> {
  const until = Date.now() + FLOOD_MS;
  let count = 0;
  while (Date.now() < until && count < MOST_CONNECTIONS) {
    await comeOnce(path);
    count += 1;
  }
  return count;
}

function comeOnce(path: string): Promise<void> {
  return new Promise((resolve) => {
    const client = connect(path);
    client.on('error', () => undefined);
    client.on('data', () => client.destroy()); // the greeting
    client.on('close', () => {
      resolve();
    });
  });
}

function linesOf(bed: SectionBed, event: RegExp): readonly string[] {
  const lines = readFileSync(bed.logfile, 'utf8').split('\n');
  return lines.filter((line) => event.test(line));
}

function countOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Number(/ count=(\d+)/.exec(line)?.[1] ?? 1), 0);
}

const SETTINGS = 'privkey = "file:@/account.pem"\nsocket = "@/S"\nstate-directory = "@/state"\n';

describe('the lines of connections', () => {
  it('are counted, and few, however often a client comes and goes', async (t) => {
    const bed = await makeSectionBed(t, SETTINGS);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('S') } });
    const started = Date.now();
    const came = await comeAndGo(bed.path('S'));
    await daemon.stop();
    const most = linesWithin(Date.now() - started);
    assert.ok(came > 2 * most, `${came} connections`);
    for (const event of [/ connected /, / closed /]) {
      const lines = linesOf(bed, event);
      assert.ok(lines.length <= most + 1, `${lines.length} lines`);
      assert.ok(countOf(lines) >= came, `${countOf(lines)} of ${came}`);
    }
    assert.match(linesOf(bed, / connected /)[0] ?? '', / connected conn=\d+$/);
    assert.match(linesOf(bed, / closed /).at(-1) ?? '', / count=\d+ first-time=\S+ last-time=\S+$/);
  });

  it('are few where a client is one too many, again and again', async (t) => {
    const bed = await makeSectionBed(t, `${SETTINGS}max-connections = 1\n`);
    const socket = bed.path('S');
    const daemon = await startInBed(t, bed, { waitFor: { socket } });
    const only = await connectAskingClient(t, socket, bed.key.privateKey);
    const started = Date.now();
    const came = await comeAndGo(socket);
    assert.equal((await only.ask()).outcome, 'signed');
    await daemon.stop();
    const most = linesWithin(Date.now() - started);
    assert.ok(came > 2 * most, `${came} connections`);
    const lines = linesOf(bed, / refused .*code=busy/);
    assert.ok(lines.length <= most + 1, `${lines.length} lines`);
    assert.ok(countOf(lines) >= came, `${countOf(lines)} of ${came}`);
  });
});

describe('refusals for which the client is not to blame', () => {
  const CLIENTS = 12;

  /** All ask at the same time, over a connection each; with what became of it. */
  async function askTogether(t: TestContext, bed: SectionBed): Promise<readonly string[]> {
    const asking = Array.from({ length: CLIENTS }, async () => {
      const client = await connectAskingClient(t, bed.path('S'));
      return (await client.ask()).outcome;
    });
    return await Promise.all(asking);
  }

  async function startWithToken(
    t: TestContext,
    settings: string,
  ): Promise<{
    bed: SectionBed;
    faults: (...lines: readonly string[]) => void;
    stop: () => Promise<unknown>;
  }> {
    const token = await createFaultyToken(t);
    const bed = await makeSectionBed(
      t,
      `privkey = ${JSON.stringify(token.uri)}
      socket = "@/S"
      state-directory = "@/state"
      audit-log = "@/audit.jsonl"
      ${settings}`,
    );
    const socket = bed.path('S');
    const daemon = await startInBed(t, bed, { env: token.hsm.env, waitFor: { socket } });
    return {
      bed,
      faults: (...lines) => {
        token.setFaults(...lines);
      },
      stop: () => daemon.stop(),
    };
  }

  /** Of each code the first is a record and a line, and all others are one. */
  function assertJoined(bed: SectionBed, told: number): void {
    const records = readRecords(bed.path('audit.jsonl')).filter(
      ({ verdict }) => verdict === 'failed',
    );
    const codes = new Set(records.map(({ code }) => code));
    assert.ok(records.length <= 2 * codes.size && codes.size <= 2, `${records.length} records`);
    assert.equal(
      records.reduce((sum, { count = 1 }) => sum + count, 0),
      told,
    );
    const lines = linesOf(bed, / failed .*code=/);
    assert.equal(lines.length, records.length);
    assert.equal(countOf(lines), told);
  }

  it('are joined where no place in the queue became free', async (t) => {
    const { bed, faults, stop } = await startWithToken(
      t,
      'sign-timeout = 2\nmax-queued-requests = 1\n',
    );
    faults('C_Sign sleep=1400');
    const replies = await askTogether(t, bed);
    await stop();
    const busy = replies.filter((reply) => reply === 'busy');
    assert.ok(busy.length >= CLIENTS - 3, replies.join('\n'));
    assertJoined(bed, busy.length);
  });

  it('are joined where the token is away', async (t) => {
    const { bed, faults, stop } = await startWithToken(t, '');
    faults('C_GetSlotList empty', 'C_SignInit rv=0x32 until=C_OpenSession');
    const replies = await askTogether(t, bed);
    await stop();
    const away = replies.filter((reply) => reply === 'token-absent');
    assert.equal(away.length, CLIENTS, replies.join('\n'));
    assertJoined(bed, away.length);
  });
});
