// http-01 through the web root of another user: one who swaps its folders under root's hands, and
// runs that were killed.

import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openWebroot } from '../../../src/client/answer/webroot.js';
import { AppError } from '../../../src/lib/errors.js';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { asUser } from '../../support/other-user.js';
import { startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGER } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const ATTACKER = fileURLToPath(
  new URL('../../support/client/webroot-attacker.js', import.meta.url),
);
const NOBODY = 65_534;
const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const ROUNDS = 400;

interface Bed {
  /** Nobody's, in a folder of nobody's. */
  readonly root: string;
  readonly attacker: RunningProcess;
  /** Fails when anything was created, removed or changed where the attacker wants it. */
  readonly assertUntouched: () => void;
}

async function startAttack(scope: Scope): Promise<Bed> {
  assert.equal(process.geteuid?.(), 0, 'this test is about root');
  const base = await makeTempDir(scope);
  chmodSync(base, 0o755);
  const outside = join(base, 'of-root');
  const home = join(base, 'of-nobody');
  const root = join(home, 'htdocs');
  const watched = [
    outside,
    join(outside, 'acme-challenge'),
    join(outside, 'acme-challenge/victim'),
  ];
  mkdirSync(join(outside, 'acme-challenge'), { recursive: true });
  writeFileSync(join(outside, 'acme-challenge/victim'), 'of root', { mode: 0o600 });
  mkdirSync(root, { recursive: true });
  for (const path of [home, root]) {
    chownSync(path, NOBODY, NOBODY);
  }
  const [command = '', ...args] = asUser({ id: NOBODY, groups: [] }, [
    process.execPath,
    ATTACKER,
    root,
    outside,
  ]);
  const changed = (): bigint[] => watched.map((path) => statSync(path, { bigint: true }).ctimeNs);
  const before = changed();
  const attacker = await startProcess(scope, { command, args, waitFor: /\./ });
  return {
    root,
    attacker,
    assertUntouched: () => {
      assert.deepEqual(changed(), before);
    },
  };
}

describe('a web root whose owner swaps its folders', () => {
  it('has root create and remove nothing elsewhere', async (t) => {
    const { root, attacker, assertUntouched } = await startAttack(t);
    let published = 0;
    let refused = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      try {
        const answers = await openWebroot(root);
        try {
          await answers.publish(TOKEN, `${TOKEN}.thumb`);
          published += 1;
        } finally {
          await answers.close();
        }
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'CLIENT_CHALLENGE', String(error));
        assert.doesNotMatch(error.message, /\/proc\//);
        refused += 1;
      }
      assertUntouched();
    }
    assert.ok(published > 0, 'some went well between two swaps');
    assert.ok(refused > 0, 'some met a swap');
    assert.equal(attacker.isRunning, true);
    assert.ok(attacker.stdout.length > 1, 'the attacker went on');
  });
});

describe('a run with --webroot that was killed', () => {
  it('is in no later run’s way, and its answers are gone in the end', async (t) => {
    let isHeld = true;
    const { folder, server, args, issue } = await prepareIssue(t, {
      // The order stays under way until the run is killed; the next one is given the same tokens.
      misbehave: ({ endpoint }) =>
        isHeld && endpoint === 'challenge' ? { hang: true } : undefined,
    });
    const root = join(folder, 'htdocs');
    const answers = join(root, '.well-known/acme-challenge');
    await mkdir(root);
    const killed = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGER, ...args, `--webroot=${root}`],
      cwd: folder,
    });
    // The authority has seen both answers: the next run finds the names authorized, and its order
    // ready.
    const isThere = (): Promise<boolean> =>
      readdir(answers).then(
        (names) =>
          names.length === 2 && server.calls.filter((call) => call === 'challenge').length === 2,
        () => false,
      );
    for (let wait = 0; wait < 500 && !(await isThere()); wait += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(await isThere(), true, killed.stderr);
    killed.signal('SIGKILL');
    await killed.exited;
    assert.equal((await readdir(answers)).length, 2);
    isHeld = false;
    // The lock of a killed run is nobody's.
    const again = await issue(`--webroot=${root}`);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(await readdir(answers), []);
    assert.ok((await stat(join(folder, 'cert.pem'))).isFile());
  });
});
