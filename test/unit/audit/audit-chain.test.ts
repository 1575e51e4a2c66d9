import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChainVerifier, inChainOrder } from '../../../src/audit/audit-chain.js';
import { hashOfLine, parseRecord } from '../../../src/audit/record-line.js';
import { NO_HASH, type ChainHead } from '../../../src/audit/chain-head.js';
import { headOf, lineAfter, makeChain, verifyLines } from '../../support/audit/audit-chain.js';

const CHAIN = makeChain(20);
const OVERFLOW = {
  kind: 'not-a-record',
  file: 'a',
  message: 'too many breaks; what follows was not looked at',
} as const;

/** `kind file:line` of each finding. */
function breaksOf(files: Readonly<Record<string, readonly string[]>>, head?: ChainHead): string[] {
  return verifyLines(files, head).findings.map(({ kind, file, line }) => `${kind} ${file}:${line}`);
}

function lines(from: number, to: number): string[] {
  return CHAIN.slice(from - 1, to);
}

function line(seq: number): string {
  return CHAIN[seq - 1] ?? '';
}

function edit(seq: number, from: RegExp, to: string): string {
  const edited = line(seq).replace(from, to);
  assert.notEqual(edited, line(seq));
  return edited;
}

describe('a good chain', () => {
  it('has no finding, in one file or in many', () => {
    assert.deepEqual(verifyLines({ a: CHAIN }), {
      records: 20,
      first: 1,
      head: headOf(line(20)),
      findings: [],
      notes: [],
    });
    assert.deepEqual(breaksOf({ a: lines(1, 3), b: [], c: lines(4, 4), d: lines(5, 20) }), []);
  });

  for (const begin of [2, 5]) {
    it(`may begin with record ${begin}, where older files are gone, which is noted`, () => {
      const first = lineAfter(headOf(line(begin - 1)), { event: 'stop' }, 'file');
      const report = verifyLines({ a: [first, ...makeChain(3, headOf(first))] });
      assert.deepEqual(report.findings, []);
      const message = `begins with record ${begin}`;
      assert.deepEqual(report.notes, [{ file: 'a', line: 1, message }]);
      assert.equal(report.first, begin);
    });
  }

  it('may not begin within a file', () => {
    assert.deepEqual(verifyLines({ a: lines(5, 20) }).findings, [
      {
        kind: 'removed',
        file: 'a',
        line: 1,
        message: 'what was in the file before record 5 is missing',
      },
    ]);
    assert.deepEqual(breaksOf({ a: lines(5, 20) }, headOf(line(1))), ['removed a:1']);
  });

  it('may be empty', () => {
    const report = verifyLines({ a: [] });
    assert.deepEqual(report, {
      records: 0,
      first: undefined,
      head: undefined,
      findings: [],
      notes: [],
    });
  });

  it('may hold gaps, which are noted', () => {
    const gap = lineAfter(headOf(line(20)), {
      event: 'gap',
      reason: '3 records could not be written',
    });
    const report = verifyLines({ a: [...CHAIN, gap] });
    assert.deepEqual(report.findings, []);
    assert.deepEqual(report.notes, [
      {
        file: 'a',
        line: 21,
        message: 'record 21: the signer noted: 3 records could not be written',
      },
    ]);
  });

  it('contains a head that is known', () => {
    assert.deepEqual(breaksOf({ a: CHAIN }, headOf(line(20))), []);
    assert.deepEqual(breaksOf({ a: CHAIN }, headOf(line(7))), []);
  });
});

describe('removed records', () => {
  it('are told by the numbers', () => {
    const { findings } = verifyLines({ a: [...lines(1, 4), ...lines(8, 20)] });
    assert.deepEqual(findings, [
      {
        kind: 'removed',
        file: 'a',
        line: 5,
        message: 'records 5 to 7 are missing before record 8',
      },
    ]);
    assert.equal(
      verifyLines({ a: [...lines(1, 4), ...lines(6, 20)] }).findings[0]?.message,
      'record 5 is missing before record 6',
    );
  });

  it('are told when a whole file is missing', () => {
    assert.deepEqual(breaksOf({ a: lines(1, 4), c: lines(8, 20) }), ['removed c:1']);
  });

  it('are told in several places', () => {
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), ...lines(6, 9), ...lines(12, 20)] }), [
      'removed a:5',
      'removed a:9',
    ]);
  });
});

describe('edited records', () => {
  it('are told by the hash in the next one', () => {
    const edited = edit(5, /"signed"/, '"denied"');
    const { findings } = verifyLines({ a: [...lines(1, 4), edited, ...lines(6, 20)] });
    assert.deepEqual(findings, [
      {
        kind: 'edited',
        file: 'a',
        line: 5,
        message: 'record 5 was edited, or the hash of it in record 6',
      },
    ]);
  });

  it('are told across files', () => {
    const edited = edit(5, /"signed"/, '"denied"');
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), edited], b: lines(6, 20) }), ['edited a:5']);
  });

  it('are told when the number was edited', () => {
    const edited = edit(5, /"seq":5/, '"seq":50');
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), edited, ...lines(6, 20)] }), ['edited a:5']);
  });

  it('are told when the hash was edited', () => {
    const edited = edit(5, /"prev":"./, '"prev":"');
    assert.deepEqual(
      breaksOf({ a: [...lines(1, 4), edited.replace('"}', '0"}'), ...lines(6, 20)] }),
      ['edited a:4', 'edited a:5'],
    );
  });

  it('are told when it was the first of all', () => {
    const edited = edit(1, /"prev":"00/, '"prev":"11');
    assert.deepEqual(breaksOf({ a: [edited] }), ['edited a:1']);
  });

  it('are told at the end, where the head is known', () => {
    const edited = edit(20, /"signed"/, '"denied"');
    assert.deepEqual(breaksOf({ a: [...lines(1, 19), edited] }), []);
    assert.deepEqual(breaksOf({ a: [...lines(1, 19), edited] }, headOf(line(20))), ['edited a:20']);
  });

  it('are told where a chain was made anew, and a head is known', () => {
    const anew = makeChain(10, headOf(line(5)));
    const other = lineAfter(headOf(line(4)), { event: 'stop' });
    const forged = [...lines(1, 4), other, ...makeChain(15, headOf(other))];
    assert.deepEqual(breaksOf({ a: forged }), []);
    assert.deepEqual(breaksOf({ a: forged }, headOf(line(20))), ['edited a:20']);
    assert.deepEqual(breaksOf({ a: [...lines(1, 5), ...anew] }, headOf(line(5))), []);
  });
});

describe('inserted records', () => {
  const forged = lineAfter(headOf(line(4)), { event: 'decision', verdict: 'signed' });

  it('are told when they carry on from the one before', () => {
    const { findings } = verifyLines({ a: [...lines(1, 4), forged, ...lines(5, 20)] });
    assert.deepEqual(findings, [
      {
        kind: 'inserted',
        file: 'a',
        line: 5,
        message: 'record 5 is followed by another record 5',
      },
    ]);
    const two = [forged, lineAfter(headOf(forged), { event: 'stop' })];
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), ...two, ...lines(5, 20)] }), ['inserted a:5']);
  });

  it('are recognized by their beginning, up to nine in a row', () => {
    const messageOf = (count: number): string | undefined => {
      const forgedRun = [forged, ...makeChain(count - 1, headOf(forged))];
      const whole = [...lines(1, 4), ...forgedRun, ...lines(5, 20)];
      return verifyLines({ a: whole }).findings[0]?.message;
    };
    assert.equal(messageOf(9), 'record 5 is followed by another record 5');
    assert.equal(messageOf(10), 'records 5 to 14 are there twice');
  });

  it('are told when they are copies', () => {
    assert.deepEqual(breaksOf({ a: [...lines(1, 10), line(3), ...lines(11, 20)] }), [
      'inserted a:11',
    ]);
    assert.deepEqual(breaksOf({ a: [...lines(1, 10), line(10), ...lines(11, 20)] }), [
      'inserted a:11',
    ]);
    assert.deepEqual(breaksOf({ a: [...lines(1, 10), ...lines(3, 5), ...lines(11, 20)] }), [
      'inserted a:11',
    ]);
    assert.deepEqual(breaksOf({ a: [line(1), ...CHAIN] }), ['inserted a:2']);
  });

  it('are told when they are of another chain', () => {
    const other = makeChain(3, { seq: 500, hash: 'ab'.repeat(32) });
    assert.deepEqual(breaksOf({ a: [...lines(1, 10), ...other, ...lines(11, 20)] }), [
      'inserted a:11',
    ]);
    const two = [other[0] ?? '', other[2] ?? ''];
    assert.deepEqual(breaksOf({ a: [...lines(1, 10), ...two, ...lines(11, 20)] }), [
      'inserted a:11',
      'inserted a:12',
    ]);
  });

  it('are told when a file is there twice', () => {
    assert.deepEqual(breaksOf({ a: lines(1, 10), b: lines(1, 10), c: lines(11, 20) }), [
      'inserted b:1',
    ]);
  });

  it('are told when a chain begins anew', () => {
    const other = makeChain(5, { seq: 0, hash: NO_HASH }).map((_, at) => line(at + 1));
    assert.deepEqual(breaksOf({ a: CHAIN, b: other }), ['inserted b:1']);
  });
});

describe('reordered records', () => {
  it('are told when two neighbours were swapped', () => {
    const { findings } = verifyLines({ a: [...lines(1, 4), line(6), line(5), ...lines(7, 20)] });
    assert.deepEqual(findings, [
      {
        kind: 'reordered',
        file: 'a',
        line: 6,
        message: 'record 5 is out of place: after record 6',
      },
    ]);
  });

  it('are told when one was moved down, or up', () => {
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), ...lines(6, 20), line(5)] }), [
      'reordered a:20',
    ]);
    assert.deepEqual(
      breaksOf({ a: [...lines(1, 4), line(15), ...lines(5, 14), ...lines(16, 20)] }),
      ['reordered a:5'],
    );
  });

  it('are told when a run was moved', () => {
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), ...lines(8, 20), ...lines(5, 7)] }), [
      'reordered a:18',
    ]);
  });

  it('are told when files come in another order', () => {
    assert.deepEqual(breaksOf({ b: lines(8, 20), a: lines(1, 7) }), ['reordered a:1']);
  });
});

describe('truncated files', () => {
  const half = line(9).slice(0, 30);
  const halfGap = {
    event: 'gap',
    reason: 'incomplete record of 30 bytes removed',
    bytes: 30,
    sha256: hashOfLine(half),
  } as const;

  /** Two files; the first has eight records and something after its last line feed. */
  function breaksAfter(end: string, ...next: readonly string[]): string[] {
    const verifier = new ChainVerifier();
    verifier.beginFile('a');
    lines(1, 8).forEach((text) => verifier.push(Buffer.from(text)));
    assert.equal(verifier.push(Buffer.from(end), false), undefined);
    verifier.beginFile('b');
    next.forEach((text) => verifier.push(Buffer.from(text)));
    const { findings, notes } = verifier.finish();
    const told = findings.map(
      ({ kind, file, line: at, message }) => `${kind} ${file}:${at}: ${message}`,
    );
    return [...told, ...notes.map(({ file, line: at }) => `note ${file}:${at}`)];
  }

  it('are told by an incomplete last line', () => {
    const finding = 'truncated a:9: the last line is incomplete';
    assert.deepEqual(breaksAfter(half), [finding]);
    assert.deepEqual(breaksAfter(half, line(9)), [finding]);
  });

  it('are excused where the next record tells length and hash of what is incomplete', () => {
    const head = headOf(line(8));
    const gap = lineAfter(head, halfGap, 'file');
    assert.deepEqual(breaksAfter(half, gap), ['note a:9', 'note b:1']);
    const truncated = 'truncated a:9: the last line is incomplete';
    const others = [
      lineAfter(head, { ...halfGap, bytes: 29 }),
      lineAfter(head, { ...halfGap, sha256: hashOfLine(`${half}x`) }),
      lineAfter(head, { ...halfGap, event: 'stop' }),
      lineAfter(head, { event: 'gap', reason: halfGap.reason }),
    ];
    for (const other of others) {
      assert.equal(breaksAfter(half, other)[0], truncated, other);
    }
    const later = lineAfter(headOf(line(9)), halfGap);
    assert.equal(breaksAfter(half, line(9), later)[0], truncated, 'not the next record');
    assert.equal(breaksAfter(half, lineAfter(headOf(line(3)), halfGap))[0], truncated, 'unlinked');
  });

  it('are told of each of several files', () => {
    const verifier = new ChainVerifier();
    for (const name of ['a', 'b']) {
      verifier.beginFile(name);
      verifier.push(Buffer.from(half), false);
    }
    assert.deepEqual(
      verifier.finish().findings.map(({ kind, file }) => `${kind} ${file}`),
      ['truncated a', 'truncated b'],
    );
  });

  it('hide no record that is missing later', () => {
    const whole = [...lines(9, 12), ...lines(14, 20)];
    assert.deepEqual(breaksAfter(half, ...whole), [
      'truncated a:9: the last line is incomplete',
      'removed b:5: record 13 is missing before record 14',
    ]);
    const gap = lineAfter(headOf(line(8)), halfGap, 'file');
    const next = lineAfter(headOf(gap), { event: 'stop' });
    const later = lineAfter({ seq: 11, hash: hashOfLine('lost') }, { event: 'stop' });
    assert.deepEqual(breaksAfter(half, gap, next, later), [
      'removed b:3: record 11 is missing before record 12',
      'note a:9',
      'note b:1',
    ]);
  });

  it('are told by a whole record that lacks its newline alone, whatever follows', () => {
    const whole = line(9);
    const gap = { ...halfGap, bytes: whole.length, sha256: hashOfLine(whole) };
    const finding = 'truncated a:9: record 9 has no end of line';
    assert.deepEqual(breaksAfter(whole), [finding]);
    assert.deepEqual(breaksAfter(whole, whole), [finding]);
    assert.deepEqual(breaksAfter(whole, lineAfter(headOf(line(8)), gap)), [finding, 'note b:1']);
  });

  it('are told by a head that is known', () => {
    assert.deepEqual(verifyLines({ a: lines(1, 17) }, headOf(line(20))).findings, [
      {
        kind: 'truncated',
        file: 'a',
        line: 17,
        message: 'the chain ends at record 17, and record 20, which is known, is not there',
      },
    ]);
    assert.deepEqual(breaksOf({ a: [] }, headOf(line(20))), ['truncated a:0']);
  });
});

describe('lines that are no records', () => {
  it('are told, and what they replace is not told again', () => {
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), '', ...lines(5, 20)] }), ['not-a-record a:5']);
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), '{}', ...lines(6, 20)] }), [
      'not-a-record a:5',
    ]);
    assert.deepEqual(breaksOf({ a: [...lines(1, 4), '{}', ...lines(8, 20)] }), [
      'not-a-record a:5',
      'removed a:6',
    ]);
    assert.deepEqual(breaksOf({ a: [`${line(1)} `, ...lines(2, 20)] }), ['not-a-record a:1']);
  });

  it('are told up to a number, and the rest as one', () => {
    const noise = Array.from({ length: 10_100 }, () => 'x');
    const { findings } = verifyLines({ a: noise });
    assert.equal(findings.length, 10_001);
    assert.deepEqual(findings.at(-1), { ...OVERFLOW, line: 10_001 });
    assert.equal(verifyLines({ a: noise.slice(0, 10_000) }).findings.length, 10_000);
  });

  it('stand for as many missing records as there are lines', () => {
    const twoMissing = [...lines(1, 4), '{}', ...lines(7, 20)];
    assert.deepEqual(breaksOf({ a: twoMissing }), ['not-a-record a:5', 'removed a:6']);
    const twoLines = [...lines(1, 4), '{}', '{}', ...lines(7, 20)];
    assert.deepEqual(breaksOf({ a: twoLines }), ['not-a-record a:5', 'not-a-record a:6']);
  });
});

describe('a chain with too many breaks', () => {
  // Neighbours that do not belong together: every record is a segment of its own.
  const broken = Array.from({ length: 10_100 }, (_, at) => line(((at * 7) % 20) + 1));

  it('is explained up to a number, and the rest is one finding', () => {
    const verifier = new ChainVerifier();
    verifier.beginFile('a');
    broken.forEach((text) => verifier.push(Buffer.from(text)));
    assert.deepEqual(verifier.finish().findings.at(-1), { ...OVERFLOW, line: 10_001 });
    assert.deepEqual(verifier.unchained().at(-1), { from: 10_001, to: Infinity });
  });

  it('is explained whole up to that number', () => {
    const { findings } = verifyLines({ a: broken.slice(0, 10_000) });
    assert.ok(findings.every(({ message }) => message !== OVERFLOW.message));
  });
});

describe('notes', () => {
  it('are kept up to a number', () => {
    const gaps: string[] = [];
    for (let head = headOf(undefined); gaps.length < 10_001;) {
      const gap = lineAfter(head, { event: 'gap', reason: 'x' });
      gaps.push(gap);
      head = { seq: head.seq + 1, hash: hashOfLine(gap) };
    }
    assert.equal(verifyLines({ a: gaps }).notes.length, 10_000);
    assert.equal(verifyLines({ a: gaps.slice(0, 9_999) }).notes.length, 9_999);
  });

  it('say what is known of a gap without a reason', () => {
    const gap = lineAfter(headOf(line(20)), { event: 'gap' });
    assert.deepEqual(
      verifyLines({ a: [...CHAIN, gap] }).notes.map(({ message }) => message),
      ['record 21: the signer noted: a gap'],
    );
  });
});

describe('findings', () => {
  it('have a place where no file was begun', () => {
    const verifier = new ChainVerifier(headOf(line(3)));
    const place = { file: '', line: 0 };
    assert.deepEqual(
      verifier.finish().findings.map(({ file, line: at }) => ({ file, line: at })),
      [place],
    );
    verifier.push(Buffer.from('x'));
    assert.equal(verifier.finish().findings[0]?.line, 1);
  });

  it('come in the order of files and lines', () => {
    assert.deepEqual(
      breaksOf({ b: [...lines(1, 4), '', ...lines(5, 6)], a: ['', ...lines(7, 20)] }),
      ['not-a-record b:5', 'not-a-record a:1'],
    );
  });

  it('leave the head where the chain goes on after what was inserted', () => {
    const forged = lineAfter(headOf(line(4)), { event: 'stop' });
    const fork = verifyLines({ a: [...lines(1, 4), forged, ...lines(5, 20)] });
    assert.deepEqual(fork.head, headOf(line(20)));
    const overlap = verifyLines({ a: lines(1, 10), b: lines(5, 20) });
    assert.deepEqual(overlap.head, headOf(line(20)));
    assert.deepEqual(
      overlap.findings.map(({ message }) => message),
      ['records 5 to 10 are there twice'],
    );
    const shorter = verifyLines({ a: lines(1, 10), b: lines(5, 8) });
    assert.deepEqual(shorter.head, headOf(line(10)));
  });
});

describe('unchained', () => {
  function unchainedOf(...given: readonly string[]): unknown {
    const verifier = new ChainVerifier();
    verifier.beginFile('a');
    given.forEach((text) => verifier.push(Buffer.from(text)));
    return verifier.unchained();
  }

  it('is in the order of the records, whatever is found first', () => {
    const [other = ''] = makeChain(1, { seq: 500, hash: 'ab'.repeat(32) });
    const renumbered = edit(15, /"seq":15/, '"seq":50');
    const given = [...lines(1, 4), other, ...lines(5, 14), renumbered, ...lines(16, 20)];
    assert.deepEqual(unchainedOf(...given), [
      { from: 5, to: 5 },
      { from: 16, to: 16 },
      { from: 16, to: 16 },
    ]);
  });

  it('is empty for a good chain', () => {
    assert.deepEqual(unchainedOf(...CHAIN), []);
  });

  for (const [name, given, expected] of [
    [
      'a forged record',
      [...lines(1, 4), lineAfter(headOf(line(4)), { event: 'stop' }), ...lines(5, 20)],
      [{ from: 5, to: 5 }],
    ],
    ['a copy', [...lines(1, 10), ...lines(3, 5), ...lines(11, 20)], [{ from: 11, to: 13 }]],
    [
      'an edited record',
      [...lines(1, 4), edit(5, /"signed"/, '"denied"'), ...lines(6, 20)],
      [{ from: 5, to: 5 }],
    ],
    [
      'an edited number',
      [...lines(1, 4), edit(5, /"seq":5/, '"seq":50'), ...lines(6, 20)],
      // Its number shows it, and the hash in the next record.
      [
        { from: 5, to: 5 },
        { from: 5, to: 5 },
      ],
    ],
    ['an edited beginning', [edit(1, /"prev":"00/, '"prev":"11')], [{ from: 1, to: 1 }]],
    [
      'the shorter one of two overlapping parts',
      [...lines(1, 10), ...lines(5, 20)],
      [{ from: 5, to: 10 }],
    ],
    [
      'the end of one that is a part of another',
      [...lines(1, 10), ...lines(5, 8)],
      [{ from: 11, to: 14 }],
    ],
    ['a moved record, which is of the chain', [...lines(1, 4), ...lines(6, 20), line(5)], []],
  ] as const) {
    it(`has ${name}`, () => {
      assert.deepEqual(unchainedOf(...given), expected);
    });
  }
});

describe('whatever is done to a chain', () => {
  const change = fc.oneof(
    fc.record({ kind: fc.constant('remove'), at: fc.nat(18), to: fc.nat(19) }),
    fc.record({ kind: fc.constant('copy'), at: fc.nat(19), to: fc.nat(20) }),
    fc.record({ kind: fc.constant('move'), at: fc.nat(19), to: fc.nat(19) }),
    fc.record({ kind: fc.constant('edit'), at: fc.nat(19), to: fc.nat(100) }),
  );

  function apply(
    given: readonly string[],
    { kind, at: place, to }: { kind: string; at: number; to: number },
  ): string[] {
    const result = [...given];
    const at = place % result.length;
    const [moved = ''] = kind === 'remove' || kind === 'move' ? result.splice(at, 1) : [result[at]];
    if (kind === 'edit') {
      const character = 8 + (to % (moved.length - 10));
      const other = moved[character] === '1' ? '2' : '1';
      result[at] = moved.slice(0, character) + other + moved.slice(character + 1);
    } else if (kind !== 'remove') {
      result.splice(to, 0, moved);
    }
    return result;
  }

  it('is found, where the head is known', () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = changes.reduce(apply, CHAIN);
        const isChanged = changed.join('\n') !== CHAIN.join('\n');
        const { findings } = verifyLines({ a: changed }, headOf(line(20)));
        assert.equal(findings.length > 0, isChanged);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('inChainOrder', () => {
  it('sorts files by their first records, and those without to the end', () => {
    const files = { c: line(9), x: undefined, a: line(1), b: line(5) };
    const names = inChainOrder(['c', 'x', 'a', 'b'] as const, (name) => {
      const first = files[name];
      return first === undefined ? undefined : parseRecord(Buffer.from(first));
    });
    assert.deepEqual(names, ['a', 'b', 'c', 'x']);
  });
});
