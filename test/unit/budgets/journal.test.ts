import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { BudgetJournal } from '../../../src/budgets/journal.js';
import { atEnd, suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const scope = suiteScope();
const TIME = 1_700_000_000_000;
const LOG = { key: 'k', windowMs: 1000, times: [TIME] };

let folder: string;
let path: string;
before(async () => {
  folder = await makeTempDir(scope);
  path = join(folder, 'budgets.jsonl');
});
beforeEach(() => {
  readdirSync(folder).forEach((name) => {
    rmSync(join(folder, name));
  });
});

function newJournal(minGrowthBytes?: number): BudgetJournal {
  const journal = new BudgetJournal(path, minGrowthBytes);
  atEnd(scope, () => {
    journal.close();
  });
  return journal;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

describe('BudgetJournal', () => {
  it('is nothing at first, and must be written whole', async () => {
    const journal = newJournal();
    assert.equal(journal.read(), undefined);
    assert.equal(journal.mustReplace, true);
    await assert.rejects(journal.append([LOG]), /no file to append to/);
    await journal.replace(TIME, [LOG]);
    assert.equal(journal.mustReplace, false);
    const read = newJournal().read();
    assert.deepEqual(read?.logs, [LOG]);
    assert.equal(read.time, TIME);
    assert.equal(read.isTorn, false);
  });

  it('appends to what another process has left, and reads all of it', async () => {
    await newJournal().replace(TIME, [LOG]);
    const second = newJournal();
    second.read();
    assert.equal(second.mustReplace, false);
    await second.append([{ ...LOG, key: 'l' }]);
    await second.append([{ ...LOG, key: 'm' }]);
    const keys = newJournal()
      .read()
      ?.logs.map(({ key }) => key);
    assert.deepEqual(keys, ['k', 'l', 'm']);
  });

  it('must be replaced when its last line is incomplete', async () => {
    await newJournal().replace(TIME, [LOG]);
    appendFileSync(path, '{"key":');
    const journal = newJournal();
    assert.equal(journal.read()?.isTorn, true);
    assert.equal(journal.mustReplace, true);
  });

  it('must be replaced when it has grown as much as it had at first, and the least', async () => {
    const journal = newJournal(0);
    await journal.replace(TIME, [LOG, LOG, LOG]);
    const first = readFileSync(path).length;
    while (!journal.mustReplace) {
      await journal.append([LOG]);
    }
    const grown = readFileSync(path).length;
    const lineBytes = readFileSync(path, 'utf8').split('\n').at(-2)?.length ?? 0;
    assert.ok(grown > 2 * first && grown <= 2 * first + lineBytes + 1);
    const patient = newJournal(10_000);
    await patient.replace(TIME, [LOG]);
    for (let count = 0; count < 50; count += 1) {
      await patient.append([LOG]);
    }
    assert.equal(patient.mustReplace, false);
  });

  it('must be replaced when it was removed, cut or written to by somebody else', async () => {
    const journal = newJournal();
    for (const change of [
      () => {
        rmSync(path);
      },
      () => {
        writeFileSync(path, '');
      },
      () => {
        appendFileSync(path, 'x');
      },
    ]) {
      await journal.replace(TIME, [LOG]);
      assert.equal(journal.mustReplace, false);
      change();
      assert.equal(journal.mustReplace, true);
    }
  });

  it('removes temporary files of its own alone', () => {
    const [own, ...others] = ['.budgets.jsonl.ab.tmp', '.other.jsonl.ab.tmp', '.budgets.jsonl.ab'];
    for (const name of [own, ...others]) {
      writeFileSync(join(folder, name), '');
    }
    newJournal().read();
    assert.equal(existsSync(join(folder, own)), false);
    assert.deepEqual(
      others.filter((name) => existsSync(join(folder, name))),
      others,
    );
  });

  it('keeps one descriptor open, and none after it is closed', async () => {
    const journal = newJournal();
    const before = openDescriptors();
    await journal.replace(TIME, [LOG]);
    await journal.replace(TIME, [LOG]);
    newJournal().read()?.logs.at(0);
    assert.ok(openDescriptors() <= before + 2);
    journal.close();
    journal.close();
    assert.ok(openDescriptors() <= before + 1);
    assert.equal(journal.mustReplace, true);
  });

  it('is refused over damage and what is no journal', () => {
    writeFileSync(path, '{"format":1}\n', { mode: 0o600 });
    assert.throws(() => newJournal().read(), { code: 'SYS_FILE' });
    rmSync(path);
    rmSync(folder, { recursive: true });
    assert.throws(() => newJournal().read(), { code: 'SYS_FILE', message: /^budget journal: / });
  });
});
