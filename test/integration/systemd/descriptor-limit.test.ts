// A daemon that may have few open files: idle clients of one listener take none that another
// listener, a new token helper or a log that is opened anew needs. The real daemon under
// RLIMIT_NOFILE, with a real token.

import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askOnce, makeSectionBed, type SectionBed } from '../../support/daemon/daemon-sections.js';
import { childrenOf, startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { atEnd } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';

const LIMIT = 64;
const IDLE_CLIENTS = 120;
const WAIT_MS = 30_000;

const LISTENERS = `
audit-log = "@/audit.jsonl"
state-directory = "@/state"
[policy.reader]
operations = ["read"]
[[listen]]
name = "idle"
socket = "@/idle"
policy = "reader"
[[listen]]
name = "busy"
socket = "@/busy"
`;

async function startUnderLimit(
  t: TestContext,
  limit: number,
): Promise<{ bed: SectionBed; daemon: RunningProcess }> {
  const hsm = await createSoftHsm(t);
  const token = await hsm.addToken('t');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  const key = hsm.uri(token, { label: 'k' });
  const bed = await makeSectionBed(t, `privkey = ${JSON.stringify(key)}\n${LISTENERS}`);
  const program = [process.execPath, CLAVIGERD, `--config=${bed.config}`];
  const daemon = await startProcess(t, {
    command: 'prlimit',
    args: [`--nofile=${limit}`, ...program],
    env: hsm.env,
    waitFor: { socket: bed.path('busy') },
  });
  return { bed, daemon };
}

/** Clients that say nothing, ever. */
function connectIdle(t: TestContext, socket: string): void {
  const sockets: Socket[] = [];
  for (let count = 0; count < IDLE_CLIENTS; count += 1) {
    sockets.push(connect(socket).on('error', () => undefined));
  }
  atEnd(t, () => {
    sockets.forEach((each) => each.destroy());
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!holds()) {
    assert.ok(Date.now() < deadline, what);
    await sleep(20);
  }
}

describe(`a daemon with ${LIMIT} open files`, () => {
  it('keeps some for each listener, for helpers and for its logs', async (t) => {
    const { bed, daemon } = await startUnderLimit(t, LIMIT);
    await daemon.waitFor(/ready listener=busy/);
    connectIdle(t, bed.path('idle'));
    await daemon.waitFor(/refused listener=idle code=busy/);
    assert.equal(await askOnce(t, bed.path('busy')), 'signed');
    for (const helper of childrenOf(daemon.pid)) {
      process.kill(helper, 'SIGKILL');
    }
    assert.equal(await askOnce(t, bed.path('busy')), 'signed', 'by a new helper');
    for (const name of ['audit.jsonl', 'clavigerd.log']) {
      renameSync(bed.path(name), bed.path(`${name}.1`));
    }
    daemon.signal('SIGHUP');
    await until('the logs are opened anew', () =>
      ['audit.jsonl', 'clavigerd.log'].every((name) => existsSync(bed.path(name))),
    );
    assert.equal(await askOnce(t, bed.path('busy')), 'signed');
    assert.doesNotMatch(daemon.stderr, /EMFILE|accept-failed|too many open files/);
  });

  it('tells that its connections do not fit, and a daemon with room for them does not', async (t) => {
    const told =
      /descriptors message="max-connections of all listeners are 512, more than 64 open files \(RLIMIT_NOFILE\) allow; clients at once: idle \d+, busy \d+" hint=".*LimitNOFILE=/;
    const few = await startUnderLimit(t, LIMIT);
    assert.match(few.daemon.stderr, told);
    const many = await startUnderLimit(t, 1024);
    await many.daemon.waitFor(/ready listener=busy/);
    assert.doesNotMatch(many.daemon.stderr, /descriptors message=/);
  });
});
