import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isLocked, lockFile, waitForLock } from '../../../../src/sys/files/file-lock.js';
import { appErrorOf } from '../../../support/app-error.js';
import { runCommand, startProcess } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';

/** More than a process may have open. */
const NO_FD = 0x7f_ff_ff_ff;

describe('lockFile', () => {
  it('holds until the descriptor is closed, against everybody else', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const first = openSync(path, 'a');
    const second = openSync(path, 'a');
    lockFile(first, { waitSeconds: 0 });
    assert.ok(isLocked(path));
    const error = await appErrorOf(() => {
      lockFile(second, { waitSeconds: 0, what: 'audit log' });
    }, 'SYS_LOCKED');
    assert.equal(error.message, 'audit log: another process is using it');
    closeSync(first);
    assert.ok(!isLocked(path));
    lockFile(second, { waitSeconds: 0 });
    assert.ok(isLocked(path));
    closeSync(second);
  });

  it('says so where flock(1) cannot be started', async () => {
    const error = await appErrorOf(() => {
      lockFile(NO_FD, { waitSeconds: 0, what: 'audit log' });
    }, 'SYS_FILE');
    assert.match(error.message, /^audit log: cannot be locked: .*EBADF/);
  });

  it('may be taken again by who has it', async (t) => {
    const fd = openSync(join(await makeTempDir(t), 'file'), 'a');
    lockFile(fd, { waitSeconds: 0 });
    lockFile(fd, { waitSeconds: 0 });
    closeSync(fd);
  });

  it('waits for another to finish', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const script = 'exec 9>>"$1"; flock -x 9; echo locked; read -r _; sleep 0.3';
    const holder = await startProcess(t, {
      command: 'bash',
      args: ['-c', script, 'bash', path],
      stdin: true,
      waitFor: /locked/,
    });
    assert.ok(isLocked(path));
    const fd = openSync(path, 'a');
    holder.stdin.end('\n');
    lockFile(fd, { waitSeconds: 20 });
    closeSync(fd);
    assert.equal((await holder.exited).code, 0);
  });

  it('is gone with a process that was killed', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const holder = await startProcess(t, {
      command: 'bash',
      args: ['-c', 'exec 9>>"$1"; flock -x 9; echo locked; read -r _', 'bash', path],
      stdin: true,
      waitFor: /locked/,
    });
    holder.signal('SIGKILL');
    await holder.exited;
    assert.ok(!isLocked(path));
  });

  it('is not passed on to the programs we start', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const fd = openSync(path, 'a');
    lockFile(fd, { waitSeconds: 0 });
    const { stdout } = await runCommand('bash', ['-c', 'ls -l /proc/self/fd']);
    assert.ok(!stdout.includes(path), stdout);
    closeSync(fd);
  });

  it('says why something cannot be locked', async (t) => {
    // flock(2) takes no descriptor that only names a file (O_PATH).
    const fd = openSync(await makeTempDir(t), 0o10000000);
    const error = await appErrorOf(() => {
      lockFile(fd, { waitSeconds: 0 });
    }, 'SYS_FILE');
    closeSync(fd);
    assert.match(error.message, /^lock: cannot be locked: .*bad file descriptor/i);
  });
});

describe('isLocked', () => {
  it('is false where there is no file', async (t) => {
    assert.ok(!isLocked(join(await makeTempDir(t), 'file')));
  });
});

describe('waitForLock', () => {
  const what = 'PIN latch';
  const never = new AbortController().signal;

  it('leaves the event loop free while another holds it, and then has it', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const [first, second] = [openSync(path, 'a'), openSync(path, 'a')];
    await waitForLock(first, { waitMs: 1000, signal: never, what });
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
      if (turns === 10) {
        closeSync(first);
      }
    }, 10);
    await waitForLock(second, { waitMs: 20_000, signal: never, what });
    clearInterval(timer);
    assert.ok(turns >= 10);
    assert.ok(isLocked(path));
    closeSync(second);
    assert.ok(!isLocked(path));
  });

  it('ends with the time, and when it is told to', async (t) => {
    const path = join(await makeTempDir(t), 'file');
    const [first, second] = [openSync(path, 'a'), openSync(path, 'a')];
    lockFile(first, { waitSeconds: 0 });
    await appErrorOf(() => waitForLock(second, { waitMs: 50, signal: never, what }), 'SYS_LOCKED');
    const stopping = new AbortController();
    const waiting = waitForLock(second, { waitMs: 60_000, signal: stopping.signal, what });
    setTimeout(() => {
      stopping.abort();
    }, 50);
    await appErrorOf(() => waiting, 'SYS_LOCKED');
    await appErrorOf(
      () => waitForLock(second, { waitMs: 60_000, signal: stopping.signal, what }),
      'SYS_LOCKED',
    );
    closeSync(first);
    await waitForLock(second, { waitMs: 0, signal: never, what });
    closeSync(second);
  });

  it('says so where it cannot be taken at all', async () => {
    const error = await appErrorOf(
      () => waitForLock(NO_FD, { waitMs: 0, signal: never, what }),
      'SYS_FILE',
    );
    assert.match(error.message, /^PIN latch: cannot be locked: .*EBADF/);
  });
});
