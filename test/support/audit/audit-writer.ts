// A program that appends to an audit log: as fast as it can, until it is killed, or step by step on
// a full disk. Started by tests; prints what it was promised to be written. Usage: node
// audit-writer.js flood|full DIRECTORY durable|quick

import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AuditLog } from '../../../src/audit/audit-log.js';
import type { AuditEntry } from '../../../src/audit/audit-record.js';
import { isAppError, messageOf } from '../../../src/lib/errors.js';
import { verifyFiles } from './audit-chain.js';

const CLIENTS = 8;
const FILLER_BYTES = 64 * 1024;
const MAX_RECORDS = 10_000;

const [, , mode = '', directory = '', durability = ''] = process.argv;
const path = join(directory, 'log', 'audit.jsonl');
const troubles: string[] = [];

const log = AuditLog.open({
  path,
  isDurable: durability === 'durable',
  headPath: join(directory, 'state', 'audit-head'),
  clock: { now: () => Date.now() },
  onTrouble: (level, message) => {
    troubles.push(`${level}: ${message}`);
  },
  version: 'test',
});

function print(line: string): void {
  writeSync(1, `${line}\n`);
}

function entryOf(connection: string): AuditEntry {
  const names = Array.from({ length: 5 }, (_, at) => `dns:host-${at}.example.org`);
  return { event: 'decision', verdict: 'signed', connection, identifiers: names };
}

/** One of several clients, each with one record in hand. */
async function flood(client: number): Promise<void> {
  for (let at = 0; ; at += 1) {
    const name = `${process.pid}/${client}/${at}`;
    await log.append(entryOf(name));
    print(name);
  }
}

/** Fills the disk, sees what happens, makes room, and prints what it saw as JSON. */
async function fillDisk(): Promise<void> {
  const filler = join(directory, 'filler');
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  const acknowledged: string[] = [];
  let failure: unknown;
  for (let at = 0; failure === undefined && at < MAX_RECORDS; at += 1) {
    try {
      await log.append(entryOf(`before/${at}`));
      acknowledged.push(`before/${at}`);
    } catch (error) {
      failure = error;
    }
  }
  const failedTogether = await Promise.allSettled(
    Array.from({ length: 50 }, () => log.append(entryOf('lost'))),
  );
  const recovery = codeOf(() => {
    log.recover();
  });
  const outage = log.outage?.message;
  const whileFull = verifyFiles([path]);
  rmSync(filler);
  log.recover();
  const outageAfter = log.outage?.message;
  await log.append(entryOf('after'));
  await log.close();
  const afterwards = verifyFiles([path]);
  const rejected = failedTogether.filter(({ status }) => status === 'rejected').length;
  const failureCode = isAppError(failure) ? failure.code : messageOf(failure);
  const seen = { acknowledged, failureCode, rejected, recovery, outage, outageAfter, troubles };
  print(JSON.stringify({ ...seen, whileFull, afterwards }));
}

function codeOf(run: () => void): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return isAppError(error) ? error.code : messageOf(error);
  }
}

if (mode === 'flood') {
  print('open');
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => flood(client)));
} else {
  await fillDisk();
}
