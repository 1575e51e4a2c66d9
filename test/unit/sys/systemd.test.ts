import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { takePassedSockets } from '../../../src/sys/systemd.js';

describe('takePassedSockets', () => {
  it('gives descriptors with their names, and deletes the variables', () => {
    const env = { LISTEN_PID: '42', LISTEN_FDS: '2', LISTEN_FDNAMES: 'admin:issue', OTHER: 'x' };
    assert.deepEqual(takePassedSockets(env, 42), [
      { fd: 3, name: 'admin' },
      { fd: 4, name: 'issue' },
    ]);
    assert.deepEqual(env, { OTHER: 'x' });
  });

  it('calls a socket without a name unknown', () => {
    assert.deepEqual(takePassedSockets({ LISTEN_PID: '42', LISTEN_FDS: '1' }, 42), [
      { fd: 3, name: 'unknown' },
    ]);
  });

  for (const env of [
    {},
    { LISTEN_FDS: '1' },
    { LISTEN_PID: '43', LISTEN_FDS: '1' },
    { LISTEN_PID: '42', LISTEN_FDS: '0' },
    { LISTEN_PID: '42', LISTEN_FDS: '-1' },
    { LISTEN_PID: '42', LISTEN_FDS: '1x' },
    { LISTEN_PID: '42' },
  ] as NodeJS.ProcessEnv[]) {
    it(`takes ${JSON.stringify(env)} for nothing passed`, () => {
      assert.deepEqual(takePassedSockets({ ...env }, 42), []);
    });
  }
});
