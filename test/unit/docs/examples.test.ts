// The configurations that the README and the manual pages show are right for their programs. Those
// of the guides, of docs/examples and of the quick start are run by test/integration/guides.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { nameProblem } from '../../../src/acme/identifier.js';
import { parseClavigerConfig } from '../../../src/config/client/config.js';
import { parseClavigerdConfig } from '../../../src/config/daemon/config.js';
import { specifierValues } from '../../../src/config/specifiers.js';
import { parseNamedPolicy } from '../../../src/policy/named-policy.js';
import { blocksOf, readGuide } from '../../support/guide.js';
import { ROOT } from '../../support/programs.js';

const specifiers = specifierValues({
  uid: 0,
  gid: 0,
  userName: 'root',
  groupName: 'root',
  homeDirectory: '/root',
  variables: { CREDENTIALS_DIRECTORY: '/run/credentials' },
});

/** Literal blocks of a manual page, below its examples. */
function examplesOf(page: string): readonly string[] {
  const text = readFileSync(join(ROOT, 'docs/man', page), 'utf8');
  const [, examples = ''] = text.split('.Sh EXAMPLES\n');
  return [...examples.matchAll(/^\.Bd -literal.*\n([^]*?)^\.Ed$/gm)].map(([, block = '']) => block);
}

/** @throws AppError CONFIG_INVALID */
function checkDaemon(text: string): void {
  parseClavigerdConfig({
    source: 'clavigerd.toml',
    text,
    commandLine: {},
    specifiers,
    start: { kind: 'sockets', passed: [] },
    groupIdOf: () => 4711,
    checkPolicy: (name, settings, onProblem) => {
      parseNamedPolicy(name, settings, onProblem);
    },
  });
}

function checkClient(text: string): void {
  parseClavigerConfig({
    source: 'claviger.toml',
    text,
    commandLine: {},
    specifiers,
    nameProblem,
  });
}

describe('the configurations that are shown', () => {
  it('are right in clavigerd.toml(5)', () => {
    const examples = examplesOf('clavigerd.toml.5');
    assert.equal(examples.length, 2);
    examples.forEach(checkDaemon);
  });

  it('are right in claviger.toml(5)', () => {
    const examples = examplesOf('claviger.toml.5');
    assert.equal(examples.length, 1);
    examples.forEach(checkClient);
  });

  it('are right in the README, below the key', () => {
    const [sections = ''] = blocksOf(readGuide('README.md'), 'Restricting clients', 'toml');
    checkDaemon(`privkey = "file:/etc/claviger/account.pem"\n${sections}`);
  });
});
