// Budgets of a daemon that is killed 200 times while its clients ask: over all its lives they never
// get more signatures than the budget, and what a kill wastes is what was being asked for at that
// moment.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseJournal } from '../../../src/budgets/journal-lines.js';
import { hashOf, Load, type Answer } from '../../support/daemon/asking-client.js';
import { readRecords } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import {
  makeSectionBed,
  orderFor,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import type { Scope } from '../../support/scope.js';

const KILLS = 200;
/** Kills that share the budgets of one daemon. */
const KILLS_PER_DAEMON = 20;
const DAEMONS_AT_ONCE = 2;
const CLIENTS = 4;
const LIMIT = 40;
const LIMIT_PER_NAME = 6;
/** More than LIMIT together, so that both budgets are felt. */
const NAMES = Array.from({ length: 8 }, (_, at) => `host-${at}.example.org`);
/** Answers of a life, at most; and the time from the last of them to the kill. */
const MAX_ANSWERS = 10;
const MAX_DELAY_MS = 3;

const SETTINGS = `
privkey = "file:@/account.pem"
socket = "@/S"
state-directory = "@/state"
audit-log = "@/audit.jsonl"
default-policy = "web"

[policy.web]
operations = ["new-order"]
identifiers = ["*.example.org"]
budgets = ["${LIMIT} new-order per 1d", "${LIMIT_PER_NAME} new-order per 1d per identifier"]
`;

const EXPECTED_OUTCOMES = new Set(['signed', 'rate-limited', 'closed']);

type EnoughAnswers = (answers: readonly Answer[]) => boolean;

/** One life of the daemon; it is killed while its clients ask. */
async function liveAndDie(
  scope: Scope,
  bed: SectionBed,
  isEnough: EnoughAnswers,
): Promise<readonly Answer[]> {
  const socket = bed.path('S');
  rmSync(socket, { force: true });
  const daemon = await startInBed(scope, bed, { waitFor: { socket } });
  const next = (): ReturnType<typeof orderFor> => orderFor(NAMES[randomInt(NAMES.length)] ?? '');
  const load = new Load(scope, { socket, key: bed.key.privateKey, clients: CLIENTS, next });
  await load.until(isEnough);
  await sleep(Math.random() * MAX_DELAY_MS);
  daemon.signal('SIGKILL');
  await daemon.exited;
  return load.stop();
}

function someAnswers(): EnoughAnswers {
  const count = randomInt(MAX_ANSWERS + 1);
  return ({ length }) => length >= count;
}

/** How often each budget was counted, by its key in the journal. */
function countsOf(bed: SectionBed): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const path = bed.path('state/budgets.jsonl');
  // It is made with the first count.
  const logs = existsSync(path) ? parseJournal(readFileSync(path)).logs : [];
  for (const { key, times } of logs) {
    counts.set(key, (counts.get(key) ?? 0) + times.length);
  }
  return counts;
}

const TOTAL_KEY = 'default/web//new-order/86400s';

function namesOf(answers: readonly Answer[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { request } of answers) {
    const name = JSON.stringify(request.payload);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

function withOutcome(answers: readonly Answer[], outcome: string): Answer[] {
  return answers.filter((answer) => answer.outcome === outcome);
}

/** Whether the budget of all names together has refused something. */
function isUsedUp(answers: readonly Answer[]): boolean {
  const text = JSON.stringify(`"${LIMIT} new-order per 1d"`).slice(1, -1);
  return withOutcome(answers, 'rate-limited').some(({ reply }) => reply.includes(text));
}

/** Kills one daemon again and again. @returns all that its clients were answered. */
async function killOneDaemon(scope: Scope): Promise<readonly Answer[]> {
  const bed = await makeSectionBed(scope, SETTINGS);
  const answers: Answer[] = [];
  for (let kills = 1; kills <= KILLS_PER_DAEMON; kills += 1) {
    // The last life goes on until nothing is left.
    const isLast = kills === KILLS_PER_DAEMON;
    answers.push(...(await liveAndDie(scope, bed, isLast ? isUsedUp : someAnswers())));
    const signed = withOutcome(answers, 'signed');
    const counts = countsOf(bed);
    const counted = counts.get(TOTAL_KEY) ?? 0;
    assert.ok(signed.length <= counted, `${signed.length} signatures, ${counted} counted`);
    assert.ok(counted <= LIMIT, `${counted} counted`);
    const wasted = counted - signed.length;
    assert.ok(wasted <= kills * CLIENTS, `${wasted} wasted by ${kills} kills`);
    for (const [name, count] of namesOf(signed)) {
      assert.ok(count <= LIMIT_PER_NAME, `${count} signatures for ${name}`);
    }
  }
  assert.equal(countsOf(bed).get(TOTAL_KEY), LIMIT, 'all was used');
  await assertRecorded(scope, bed, answers);
  return answers;
}

/**
 * The next life signs nothing more, every signature has its record, and there are no more of them
 * than LIMIT.
 */
async function assertRecorded(
  scope: Scope,
  bed: SectionBed,
  answers: readonly Answer[],
): Promise<void> {
  const later = await liveAndDie(scope, bed, ({ length }) => length >= CLIENTS);
  assert.deepEqual(withOutcome(later, 'signed'), []);
  rmSync(bed.path('S'), { force: true });
  await (await startInBed(scope, bed, { waitFor: { socket: bed.path('S') } })).stop();
  const { code, stdout, stderr } = await runClavigerd([
    'audit',
    'verify',
    `--config=${bed.config}`,
  ]);
  assert.equal(code, 0, stdout + stderr);
  const signed = readRecords(bed.path('audit.jsonl')).filter(({ verdict }) => verdict === 'signed');
  const hashes = new Set(signed.map(({ sha256 }) => sha256));
  assert.equal(hashes.size, signed.length);
  assert.ok(signed.length <= LIMIT, `${signed.length} signatures on record`);
  const missing = withOutcome(answers, 'signed').filter((answer) => !hashes.has(hashOf(answer)));
  assert.deepEqual(missing, []);
}

describe('budgets of a daemon that is killed again and again', () => {
  it('are never overspent, and each start continues them', async (t) => {
    const all: Answer[] = [];
    const killSome = async (): Promise<void> => {
      for (let daemons = KILLS / KILLS_PER_DAEMON / DAEMONS_AT_ONCE; daemons > 0; daemons -= 1) {
        all.push(...(await killOneDaemon(t)));
      }
    };
    await Promise.all(Array.from({ length: DAEMONS_AT_ONCE }, killSome));
    // Both budgets were felt, and no client was told anything else.
    const refused = withOutcome(all, 'rate-limited');
    assert.ok(refused.some(({ reply }) => reply.includes('per identifier')));
    assert.deepEqual(new Set(all.map(({ outcome }) => outcome)), EXPECTED_OUTCOMES);
  });

  it('would be overspent, were they not kept: this test sees it', async (t) => {
    const bed = await makeSectionBed(t, SETTINGS);
    const answers = [...(await liveAndDie(t, bed, isUsedUp))];
    rmSync(bed.path('state'), { recursive: true });
    answers.push(...(await liveAndDie(t, bed, isUsedUp)));
    assert.ok(withOutcome(answers, 'signed').length > LIMIT);
  });
});
