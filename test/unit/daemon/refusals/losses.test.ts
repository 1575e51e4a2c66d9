import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AuditLog } from '../../../../src/audit/audit-log.js';
import { RefusalLosses } from '../../../../src/daemon/refusals/losses.js';
import { Log } from '../../../../src/sys/log.js';
import { readRecords } from '../../../support/audit/audit-chain.js';
import { makeTempDir } from '../../../support/temp-dir.js';

describe('RefusalLosses', () => {
  it('tells each reason once in the log, and with its number in the audit log', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'audit.jsonl');
    const clock = { now: () => 1.8e12 };
    const audit = AuditLog.open({
      ...{ path, clock, headPath: join(folder, 'state', 'head'), isDurable: false, version: '1' },
      onTrouble: () => undefined,
    });
    const lines: string[] = [];
    const writeStderr = (line: string): boolean => lines.push(line) > 0;
    const modes = { priorities: false, quiet: false, debug: false };
    const losses = new RefusalLosses(
      new Log({ program: 'p', clock, writeStderr, ...modes }),
      audit,
    );
    for (const reason of ['full', 'late', 'full', 'full']) {
      losses.add(reason);
    }
    losses.note();
    await audit.append({ event: 'decision' });
    losses.add('late', 5);
    losses.note();
    losses.note();
    await audit.close();
    assert.deepEqual(
      readRecords(path).map(({ event, reason }) => [event, reason]),
      [
        ['start', 'clavigerd 1'],
        ['gap', '4 records could not be written: 3: full; 1: late'],
        ['decision', undefined],
        ['gap', '5 records could not be written: late'],
        ['stop', undefined],
      ],
    );
    assert.equal(lines.length, 3, lines.join(''));
    assert.match(lines.join(''), /neither recorded nor told: full[^]*told: late[^]*told: late/);
  });
});
