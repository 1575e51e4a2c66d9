// Which policy, account and listener are meant when not all of them are named.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  placeOfTrial,
  placesOfPolicy,
  type TrialNames,
} from '../../../../src/cli/policy/policy-location.js';
import { parseClavigerdConfig } from '../../../../src/config/daemon/config.js';
import { parseNamedPolicy, type NamedPolicy } from '../../../../src/policy/named-policy.js';
import { appErrorOf } from '../../../support/app-error.js';

const TEXT = `
privkey = "file:/a.pem"
default-policy = "wide"
[account.second]
privkey = "file:/b.pem"
policy = "narrow"
[policy.wide]
operations = ["read"]
[policy.narrow]
operations = []
[policy.unused]
operations = []
[[listen]]
socket = "/run/admin"
[[listen]]
socket = "/run/web"
policy = "narrow"
[[listen]]
socket = "/run/second"
account = "second"
`;

const policies = new Map<string, NamedPolicy>();
const config = parseClavigerdConfig({
  source: 'x.toml',
  text: TEXT,
  commandLine: {},
  specifiers: new Map(),
  stateDirectory: '/state',
  start: undefined,
  groupIdOf: () => undefined,
  checkPolicy: (name, settings, onProblem) => {
    policies.set(name, parseNamedPolicy(name, settings, onProblem));
  },
});
const loaded = { config, policies };

describe('place of a trial', () => {
  const cases: readonly (readonly [TrialNames, readonly (string | undefined)[]])[] = [
    [{}, ['default', undefined, 'wide']],
    [{ policy: 'narrow' }, ['default', undefined, 'narrow']],
    [{ account: 'second' }, ['second', undefined, 'narrow']],
    [{ listener: 'admin' }, ['default', 'admin', 'wide']],
    [{ listener: 'web' }, ['default', 'web', 'narrow']],
    [{ listener: 'second' }, ['second', 'second', 'narrow']],
    [{ listener: 'second', policy: 'wide' }, ['second', 'second', 'wide']],
    [{ listener: 'web', account: 'second' }, ['second', 'web', 'narrow']],
  ];
  for (const [names, expected] of cases) {
    it(`follows from ${JSON.stringify(names)}`, () => {
      const { account, listener, policy } = placeOfTrial(loaded, names);
      assert.deepEqual([account.name, listener, policy?.name], expected);
    });
  }

  for (const kind of ['policy', 'account', 'listener'] as const) {
    it(`is refused for an unknown ${kind}`, async () => {
      const error = await appErrorOf(() => placeOfTrial(loaded, { [kind]: 'x' }), 'CONFIG_USAGE');
      assert.match(error.message, new RegExp(`^${kind} "x"`));
      assert.match(error.hint ?? '', /^there is .*,/);
    });
  }
});

describe('places of a policy', () => {
  function placesOf(name: string, account?: string): unknown {
    return placesOfPolicy(loaded, name, account).map((place) => [
      place.policy.name,
      place.account.name,
      place.listeners,
    ]);
  }

  it('are the accounts that use it', () => {
    assert.deepEqual(placesOf('wide'), [['wide', 'default', ['admin']]]);
    assert.deepEqual(placesOf('narrow'), [
      ['narrow', 'default', ['web']],
      ['narrow', 'second', ['second']],
    ]);
  });

  it('are the default account for one that nobody uses', () => {
    assert.deepEqual(placesOf('unused'), [['unused', 'default', []]]);
  });

  it('are the account that is named', () => {
    assert.deepEqual(placesOf('wide', 'second'), [['wide', 'second', []]]);
  });

  it('are refused for an unknown policy', async () => {
    await appErrorOf(() => placesOf('x'), 'CONFIG_USAGE');
  });
});
