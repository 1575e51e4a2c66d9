// A process that writes an audit log as the daemon does, without the daemon: a record for each line it reads, a new
// file at SIGHUP. Started by tests; `deaf` as third argument has it ignore SIGHUP.

import { createInterface } from 'node:readline';
import { AuditLog } from '../../src/audit/audit-log.js';
import { systemClock } from '../../src/lib/clock.js';

const [, , path = '', headPath = '', mode] = process.argv;

const log = AuditLog.open({
  path,
  headPath,
  isDurable: false,
  clock: systemClock,
  version: '0.0.0',
  onTrouble: (level, message) => {
    process.stderr.write(`${level}: ${message}\n`);
  },
});
process.on('SIGHUP', () => {
  if (mode !== 'deaf') {
    log.reopen();
  }
});
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const entry = { event: 'decision', verdict: 'signed', operation: 'read', reason: line } as const;
  log.append(entry).then(
    () => process.stdout.write(`written ${line}\n`),
    (error: unknown) => process.stdout.write(`failed ${String(error)}\n`),
  );
});
process.stdout.write('ready\n');
