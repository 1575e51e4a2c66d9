// What of the daemon's environment reaches a token helper.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { helperEnvironment } from '../../../../src/keys/pkcs11/helper-environment.js';

const PATH = '/usr/bin:/bin';

describe('environment of a token helper', () => {
  it('has what modules read', () => {
    const env = {
      HOME: '/root',
      SOFTHSM2_CONF: '/c',
      TPM2_PKCS11_STORE: '/s',
      P11_KIT_SERVER_ADDRESS: 'unix:path=/x',
      SSL_DIR: '/nss',
      YUBIHSM_PKCS11_CONF: '/y',
      ChrystokiConfigurationPath: '/l',
    };
    assert.deepEqual(helperEnvironment(env), { ...env, PATH });
  });

  it('has what every module may read: the folders of the user, language and time zone', () => {
    const names = ['HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR'];
    const env = Object.fromEntries(names.map((name) => [name, 'x']));
    assert.deepEqual(helperEnvironment(env), { ...env, PATH });
    const longer = Object.fromEntries(names.map((name) => [`${name}_X`, 'x']));
    assert.deepEqual(helperEnvironment(longer), { PATH });
  });

  it('has what a profile names by its prefix, and not what only resembles it', () => {
    const env = { TPM2_PKCS11_STORE: 'x', OCK_: 'x', YKCS11_DBG: 'x' };
    assert.deepEqual(helperEnvironment(env), { ...env, PATH });
    assert.deepEqual(helperEnvironment({ TPM2_PKCS11: 'x', OCKX: 'x', XOCK_: 'x' }), { PATH });
  });

  it('has PKCS11SPY only with a file for what the spy sees', () => {
    const spied = { PKCS11SPY: '/m.so', PKCS11SPY_OUTPUT: '/spy.txt' };
    assert.deepEqual(helperEnvironment(spied), { ...spied, PATH });
    assert.deepEqual(helperEnvironment({ PKCS11SPY: '/m.so' }), { PATH });
    const empty = helperEnvironment({ PKCS11SPY: '/m.so', PKCS11SPY_OUTPUT: '' });
    assert.equal(empty['PKCS11SPY'], undefined);
  });

  it('has nothing else: no credentials, no way into Node or the loader, no search path of the caller', () => {
    const env = {
      PATH: '/home/mallory/bin:/usr/bin',
      CREDENTIALS_DIRECTORY: '/run/credentials/x',
      MY_PIN: '1234',
      CLOUDHSM_PIN: 'user:1234',
      NODE_OPTIONS: '--inspect',
      NODE_EXTRA_CA_CERTS: '/x',
      LD_PRELOAD: '/x.so',
      LD_LIBRARY_PATH: '/x',
      NOTIFY_SOCKET: '/run/x',
      LISTEN_FDS: '1',
      SSH_AUTH_SOCK: '/x',
    };
    assert.deepEqual(helperEnvironment(env), { PATH });
  });
});
