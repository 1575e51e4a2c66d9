import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { reopenOnSighup } from '../../../../src/cli/daemon/reopen-logs.js';
import { AppError } from '../../../../src/lib/errors.js';

/** A log that notes what is done to it. */
function makeLog(failure?: Error): {
  readonly done: string[];
  readonly reopen: () => void;
  readonly error: (event: string, fields?: object) => void;
} {
  const done: string[] = [];
  return {
    done,
    reopen: () => {
      done.push('reopen');
      if (failure !== undefined) {
        throw failure;
      }
    },
    error: (event, fields) => {
      done.push(`${event} ${JSON.stringify(fields)}`);
    },
  };
}

describe('reopenOnSighup', () => {
  afterEach(() => {
    process.removeAllListeners('SIGHUP');
  });

  it('opens both logs anew at each signal', () => {
    const [log, audit] = [makeLog(), makeLog()];
    reopenOnSighup(log)(audit);
    assert.deepEqual([log.done, audit.done], [[], []]);
    process.emit('SIGHUP');
    process.emit('SIGHUP');
    const twice = ['reopen', 'reopen'];
    assert.deepEqual([log.done, audit.done], [twice, twice]);
  });

  it('makes up for a signal that came while the audit log was being opened', () => {
    const [log, audit] = [makeLog(), makeLog()];
    const reopenToo = reopenOnSighup(log);
    process.emit('SIGHUP');
    assert.deepEqual([log.done, audit.done], [['reopen'], []]);
    reopenToo(audit);
    assert.deepEqual([log.done, audit.done], [['reopen'], ['reopen']]);
  });

  it('goes on when a log cannot be opened anew, and says so', () => {
    const log = makeLog(new AppError('SYS_FILE', 'log: gone'));
    const audit = makeLog();
    reopenOnSighup(log)(audit);
    process.emit('SIGHUP');
    assert.deepEqual(log.done, ['reopen', 'log-reopen-failed {"reason":"log: gone"}']);
    assert.deepEqual(audit.done, ['reopen']);
  });
});
