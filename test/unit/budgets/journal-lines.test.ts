// The budget journal's lines: a cut is not damage, all else is.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../src/lib/errors.js';
import type { CountLog } from '../../../src/budgets/counts.js';
import { formatCounts, formatJournal, parseJournal } from '../../../src/budgets/journal-lines.js';
import { appErrorOf } from '../../support/app-error.js';

const OLD: CountLog = { key: 'default/web//new-order/60s', windowMs: 60_000, times: [900, 950] };
const NEW: CountLog[] = [
  { key: 'default/web//finalize/60s/dns:www.example.org', windowMs: 60_000, times: [1200] },
  { key: 'default/web//new-order/60s', windowMs: 60_000, times: [1300] },
];

const first = formatJournal(1000, [OLD]);
const appended = formatCounts(NEW, first.sum);
const whole = Buffer.from(first.text + appended.text);

function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1);
}

function joined(lines: readonly (string | undefined)[]): Buffer {
  return Buffer.from(lines.map((line) => `${line ?? ''}\n`).join(''));
}

async function damageIn(bytes: Buffer): Promise<string> {
  return (await appErrorOf(() => parseJournal(bytes), 'SYS_FILE')).message;
}

describe('a journal', () => {
  it('reads as it was written', () => {
    assert.deepEqual(parseJournal(whole), {
      time: 1300,
      logs: [OLD, ...NEW],
      sum: appended.sum,
      isTorn: false,
    });
  });

  it('is JSON by the line, and knows the time when nothing is counted', () => {
    linesOf(whole.toString()).forEach((line) => {
      JSON.parse(line);
    });
    assert.equal(parseJournal(Buffer.from(formatJournal(1234, []).text)).time, 1234);
  });

  it('takes any key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (key, time) => {
        const logs = [{ key, windowMs: 1, times: [time] }];
        assert.deepEqual(parseJournal(Buffer.from(formatJournal(0, logs).text)).logs, logs);
      }),
    );
  });

  it('cut anywhere after its first line keeps what is whole, and is known to be torn', () => {
    const isWholeAt = new Map<number, number>();
    const all = [OLD, ...NEW];
    for (let length = first.text.indexOf('\n') + 1; length < whole.length; length += 1) {
      const journal = parseJournal(whole.subarray(0, length));
      assert.deepEqual(journal.logs, all.slice(0, journal.logs.length));
      assert.equal(journal.isTorn, whole[length - 1] !== 0x0a);
      isWholeAt.set(length, journal.logs.length);
    }
    // The count of a line is taken as soon as the line has told it, before its checksum and
    // newline.
    assert.equal(isWholeAt.get(whole.length - 1), 3);
    assert.equal(isWholeAt.get(whole.length - '0123456789abcdef"}\n'.length), 3);
    assert.equal(isWholeAt.get(whole.length - '"sum":"0123456789abcdef"}\n'.length), 2);
  });

  it('has a torn line when a power cut left NUL bytes behind', () => {
    const half = Buffer.concat([whole.subarray(0, whole.length - 40), Buffer.alloc(40)]);
    assert.deepEqual(parseJournal(half).logs, [OLD, NEW[0]]);
    assert.equal(parseJournal(half).isTorn, true);
    assert.equal(parseJournal(Buffer.concat([whole, Buffer.alloc(9)])).logs.length, 3);
  });
});

describe('damage', () => {
  it('of any byte of a whole line is seen', () => {
    for (let at = 0; at < whole.length - 1; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      assert.throws(
        () => parseJournal(changed),
        (error) => error instanceof AppError && error.code === 'SYS_FILE',
        `byte ${at}`,
      );
    }
  });

  it('tells the line', async () => {
    const [head, one, two, three] = linesOf(whole.toString());
    assert.match(await damageIn(joined([head, one, 'x', three])), /line 3 is damaged/);
    assert.match(await damageIn(joined([head, two, three])), /line 2 is damaged/);
    assert.match(await damageIn(joined([head, one, three])), /line 3 is damaged/);
    assert.match(await damageIn(joined([head, two, one, three])), /line 2 is damaged/);
    assert.match(await damageIn(joined([head, one, one])), /line 3 is damaged/);
    assert.match(await damageIn(joined([head, one, '', two])), /line 3 is damaged/);
    assert.match(await damageIn(joined([one, two])), /line 1 is damaged/);
  });

  it('is a file without a whole first line, and one that is empty', async () => {
    assert.match(await damageIn(Buffer.alloc(0)), /line 1 is damaged/);
    assert.match(await damageIn(Buffer.from(first.text.slice(0, 20))), /line 1 is damaged/);
    assert.match(await damageIn(Buffer.alloc(100)), /line 1 is damaged/);
  });

  it('is a line with a right checksum that tells no count', async () => {
    for (const log of [
      { key: 'a', windowMs: 1, times: [] },
      { key: 'a', windowMs: -1, times: [1] },
      { key: 'a', windowMs: 1, times: [0.5] },
    ]) {
      assert.match(await damageIn(Buffer.from(formatJournal(1, [log]).text)), /line 2 is damaged/);
    }
  });

  it('of any kind gives a journal or an AppError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(whole.length), (noise, at) => {
        const bytes = Buffer.concat([whole.subarray(0, at), noise, whole.subarray(at)]);
        try {
          assert.ok(parseJournal(bytes).logs.length >= 0);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === 'SYS_FILE', String(error));
        }
      }),
    );
  });
});
