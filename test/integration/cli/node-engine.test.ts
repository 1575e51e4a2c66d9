// A Node older than package.json names is refused by each program, before it loads what such a Node
// cannot run.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { engineProblem } from '../../../src/lib/node-engine.js';
import { installNode } from '../../support/node-versions.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD, ROOT } from '../../support/programs.js';

const HELPER = join(ROOT, 'dist', 'bin', 'token', 'helper.js');
let node18: string;
before(async () => {
  node18 = await installNode('18');
});

describe('Node 18', () => {
  for (const [name, program, args] of [
    ['clavigerd', CLAVIGERD, ['--version']],
    ['clavigerd', CLAVIGERD, ['--check']],
    ['claviger', CLAVIGER, ['renew']],
    ['claviger-token-helper', HELPER, []],
  ] as const) {
    it(`is refused by ${name} ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await runCommand(node18, [program, ...args]);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.match(
        stderr,
        new RegExp(`^${name}: .*Node 18\\.[0-9.]+ is too old: 20\\.19 or later`),
      );
      assert.doesNotMatch(stderr, / at |SyntaxError|Warning/);
    });
  }
});

describe('the version of Node', () => {
  const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
  for (const version of ['20.19.0', '20.20.2', '21.0.0', '22.23.3', '100.0.0']) {
    it(`may be ${version}`, () => {
      assert.equal(engineProblem(version, manifest), undefined);
    });
  }
  for (const version of ['20.18.3', '18.20.8', '8.0.0', '', 'x']) {
    it(`may not be "${version}"`, () => {
      assert.match(engineProblem(version, manifest) ?? '', /too old: 20\.19 or later/);
    });
  }

  it('is not to be told from a package.json that names none', () => {
    assert.notEqual(engineProblem('20.19.0', '{}'), undefined);
  });
});
