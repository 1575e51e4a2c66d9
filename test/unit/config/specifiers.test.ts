import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  expandSpecifiers,
  SPECIFIER_MEANINGS,
  specifierValues,
  type SpecifierEnvironment,
} from '../../../src/config/specifiers.js';

const USER: SpecifierEnvironment = {
  uid: 1000,
  gid: 1001,
  userName: 'ann',
  groupName: 'staff',
  homeDirectory: '/home/ann',
  variables: {},
};

const expand = (text: string, change: Partial<SpecifierEnvironment> = {}): string =>
  expandSpecifiers(text, specifierValues({ ...USER, ...change }));

const XDG = {
  XDG_CACHE_HOME: '/x/cache',
  XDG_CONFIG_HOME: '/x/config',
  XDG_STATE_HOME: '/x/state',
  XDG_RUNTIME_DIR: '/x/run',
  TMPDIR: '/x/tmp',
  CREDENTIALS_DIRECTORY: '/run/credentials/u',
};

describe('expandSpecifiers', () => {
  for (const [text, root, user, withXdg] of [
    ['%C', '/var/cache', '/home/ann/.cache', '/x/cache'],
    ['%E', '/etc', '/home/ann/.config', '/x/config'],
    ['%S', '/var/lib', '/home/ann/.local/state', '/x/state'],
    ['%t', '/run', undefined, '/x/run'],
    ['%T', '/tmp', '/tmp', '/x/tmp'],
    ['%d', undefined, undefined, '/run/credentials/u'],
    ['%g', 'staff', 'staff', 'staff'],
    ['%G', '1001', '1001', '1001'],
    ['%h', '/home/ann', '/home/ann', '/home/ann'],
    ['%u', 'ann', 'ann', 'ann'],
    ['%U', '0', '1000', '1000'],
    ['%%', '%', '%', '%'],
  ] as const) {
    it(`knows ${text}`, () => {
      const check = (expected: string | undefined, change: Partial<SpecifierEnvironment>): void => {
        if (expected === undefined) {
          assert.throws(() => expand(text, change), {
            code: 'CONFIG_INVALID',
            message: /no value/,
          });
        } else {
          assert.equal(expand(text, change), expected);
        }
      };
      check(root, { uid: 0 });
      check(user, {});
      check(withXdg, { variables: XDG });
      assert.ok(SPECIFIER_MEANINGS.some(([specifier]) => specifier === text));
    });
  }

  it('takes an empty variable for an unset one', () => {
    assert.equal(expand('%C', { variables: { XDG_CACHE_HOME: '' } }), '/home/ann/.cache');
    assert.throws(() => expand('%t', { variables: { XDG_RUNTIME_DIR: '' } }), /no value/);
  });

  it('expands each once: what comes in is not expanded again', () => {
    assert.equal(expand('a%u-%u%%u', { userName: '%h' }), 'a%h-%h%u');
  });

  for (const text of ['%Z', '%', 'x%', '% ', '%\n', '%1', '%é']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => expand(text), { code: 'CONFIG_INVALID', message: /unknown specifier/ });
    });
  }

  it('has no value for a user the database does not know', () => {
    const nobody = { userName: undefined, groupName: undefined, homeDirectory: undefined };
    for (const text of ['%u', '%g', '%h', '%C']) {
      assert.throws(() => expand(text, nobody), { message: /no value/ });
    }
  });
});
