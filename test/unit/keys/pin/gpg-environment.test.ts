// What of the daemon's environment reaches gpg.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gpgEnvironment } from '../../../../src/keys/pin/gpg-environment.js';

const PATH = '/usr/bin:/bin';

describe('environment of gpg', () => {
  it('has what gpg, gpg-agent and pinentry read', () => {
    const env = {
      HOME: '/root',
      GNUPGHOME: '/h',
      GPG_TTY: '/dev/pts/1',
      TERM: 'xterm',
      DISPLAY: ':0',
      LC_CTYPE: 'C.UTF-8',
      XDG_RUNTIME_DIR: '/run/user/0',
      PINENTRY_USER_DATA: 'x',
      QUBES_GPG_DOMAIN: 'vault',
    };
    assert.deepEqual(gpgEnvironment(env, undefined), { ...env, PATH });
    assert.deepEqual(gpgEnvironment(env, '/dev/pts/2'), { ...env, PATH });
  });

  it('has each variable that finds the person, the keys and the card', () => {
    const names = [
      ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
      ...['TERM', 'COLORTERM', 'GPG_TTY', 'INSIDE_EMACS', 'DISPLAY', 'WAYLAND_DISPLAY'],
      ...['XAUTHORITY', 'DBUS_SESSION_BUS_ADDRESS', 'SSH_TTY', 'SSH_CONNECTION', 'GNUPGHOME'],
      ...['PCSCLITE_CSOCK_NAME', 'LC_ALL', 'XDG_SESSION_ID', 'GPG_AGENT_INFO', 'PINENTRY_X'],
    ];
    const env = Object.fromEntries(names.map((name) => [name, 'x']));
    assert.deepEqual(gpgEnvironment(env, undefined), { ...env, PATH });
    const longer = Object.fromEntries(names.slice(0, 20).map((name) => [`${name}_X`, 'x']));
    assert.deepEqual(gpgEnvironment(longer, undefined), { PATH });
  });

  it('names the terminal of the daemon where GPG_TTY does not', () => {
    assert.deepEqual(gpgEnvironment({ HOME: '/' }, '/dev/pts/2'), {
      PATH,
      HOME: '/',
      GPG_TTY: '/dev/pts/2',
    });
  });

  it('has nothing else: no PIN, no credentials, no way into the loader, none of systemd’s sockets', () => {
    const env = {
      PATH: '/home/mallory/bin:/usr/bin',
      MY_PIN: '1234',
      CREDENTIALS_DIRECTORY: '/run/credentials/x',
      NODE_OPTIONS: '--inspect',
      LD_PRELOAD: '/x.so',
      NOTIFY_SOCKET: '/run/x',
      LISTEN_FDS: '1',
    };
    assert.deepEqual(gpgEnvironment(env, undefined), { PATH });
  });
});
