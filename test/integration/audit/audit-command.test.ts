// `clavigerd audit verify`, `show` and `summary` on files: whole, damaged, compressed, in any
// order.

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { AuditEntry } from '../../../src/audit/audit-record.js';
import { EMPTY_CHAIN, type ChainHead } from '../../../src/audit/chain-head.js';
import { headPathOf } from '../../../src/audit/audit-head.js';
import { verifyLog } from '../../../src/cli/audit/verify.js';
import { headOf, lineAfter, makeChain } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';

const LINES = makeChain(9);
const HEAD = headOf(LINES.at(-1));

interface Place {
  readonly folder: string;
  readonly log: string;
  /** Writes lines to a file beside the log, and gives its path. */
  readonly write: (name: string, lines: readonly string[]) => string;
  /** What the daemon would have noted; at its orderly end, or as the process it is. */
  readonly note: (head: ChainHead, first?: ChainHead, pid?: number) => void;
  readonly config: string;
}

async function makePlace(t: TestContext): Promise<Place> {
  const folder = await makeTempDir(t);
  const log = join(folder, 'audit.jsonl');
  const state = join(folder, 'state');
  const config = `--config=${join(folder, 'clavigerd.toml')}`;
  const settings = [
    'privkey = "file:/nonexistent"',
    `socket = ${JSON.stringify(join(folder, 'S'))}`,
    `audit-log = ${JSON.stringify(log)}`,
    `state-directory = ${JSON.stringify(state)}`,
  ];
  writeFileSync(config.slice('--config='.length), settings.join('\n'), { mode: 0o600 });
  mkdirSync(state, { mode: 0o700 });
  return {
    folder,
    log,
    write: (name, lines) => {
      const path = join(folder, name);
      const text = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      writeFileSync(path, name.endsWith('.gz') ? gzipSync(text) : text, { mode: 0o600 });
      return path;
    },
    note: ({ seq, hash }, first, pid = 0) => {
      const text = JSON.stringify({ pid, seq, hash, first }).padEnd(255);
      writeFileSync(headPathOf(state, log), `${text}\n`, { mode: 0o600 });
    },
    config,
  };
}

function audit(...args: readonly string[]): Promise<CommandResult> {
  return runClavigerd(['audit', ...args]);
}

/** Result and output in one look. */
function outcomeOf({ code, stdout, stderr }: CommandResult): readonly [number | null, string] {
  assert.equal(stderr, '');
  return [code, stdout];
}

describe('clavigerd audit verify', () => {
  it('finds the chain whole across files, compressed ones among them, in any order', async (t) => {
    const { write } = await makePlace(t);
    const paths = [
      write('c.jsonl', LINES.slice(6)),
      write('a.gz', LINES.slice(0, 3)),
      write('b.jsonl', LINES.slice(3, 6)),
    ];
    assert.deepEqual(outcomeOf(await audit('verify', ...paths)), [
      0,
      `records 1 to 9, in 3 files: the chain holds\nhead 9:${HEAD.hash}\n`,
    ]);
  });

  const damages: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a removed record', LINES.toSpliced(4, 1), /^FILE:5: removed: record 5 is missing/m],
    ['an edited record', LINES.with(4, edited(LINES[4])), /^FILE:5: edited: record 5 was edited/m],
    [
      'an inserted record',
      LINES.toSpliced(5, 0, lineAfter(headOf(LINES[3]), { event: 'stop' })),
      /^FILE:6: inserted: /m,
    ],
    [
      'a moved record',
      LINES.toSpliced(4, 1).toSpliced(7, 0, LINES[4] ?? ''),
      /^FILE:8: reordered: record 5/m,
    ],
    ['a line that is no record', LINES.toSpliced(5, 0, '{"seq":6}'), /^FILE:6: not-a-record: /m],
  ];
  for (const [name, lines, expected] of damages) {
    it(`shows ${name}, with its line`, async (t) => {
      const { write } = await makePlace(t);
      const path = write('audit.jsonl', lines);
      const { code, stdout } = await audit('verify', path);
      assert.equal(code, 1);
      assert.match(stdout.replaceAll(path, 'FILE'), expected);
      assert.match(stdout, /the chain is broken, in (one|\d+) places?$/m);
    });
  }

  it('shows a file that ends in the midst of a record', async (t) => {
    const { write, folder } = await makePlace(t);
    write('x', LINES.slice(0, 2));
    const path = join(folder, 'cut');
    writeFileSync(path, LINES.join('\n'));
    const { code, stdout } = await audit('verify', path);
    assert.equal(code, 1);
    assert.match(stdout, /cut:9: truncated: /);
  });

  it('shows forged records without a newline at the ends of files, whatever head is known', async (t) => {
    const { write } = await makePlace(t);
    const paths = LINES.map((line, at) => {
      const path = write(`audit.jsonl.${at}`, [line]);
      const forged = lineAfter(headOf(line), { event: 'decision', verdict: 'signed' });
      writeFileSync(path, `${line}\n${forged}`);
      return path;
    });
    const verified = await audit('verify', `--head=9:${HEAD.hash}`, ...paths);
    assert.equal(verified.code, 1);
    assert.equal(verified.stdout.match(/: truncated: record \d+ has no end of line$/gm)?.length, 9);
    const shown = await audit('show', '--json', ...paths);
    assert.equal(shown.code, 1);
    assert.deepEqual(shown.stdout.trimEnd().split('\n'), LINES);
    assert.match(shown.stderr, /audit\.jsonl\.0:2: truncated: record 2 has no end of line/);
    const summary = await audit('summary', '--json', ...paths);
    assert.equal(summary.code, 1);
    assert.match(summary.stdout, /"count": 9\n/);
    assert.equal(summary.stderr.match(/has no end of line/g)?.length, 9);
  });

  it('shows forged records in the midst, which show and summary leave out', async (t) => {
    const { write } = await makePlace(t);
    let forged: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      forged = [...forged, lineAfter(headOf(forged.at(-1) ?? LINES[2]), { event: 'stop' })];
    }
    const more = makeChain(20, HEAD);
    const first = write('1', [...LINES.slice(0, 3), ...forged]);
    const second = write('2', [...LINES.slice(3), ...more]);
    const { code, stdout, stderr } = await audit('show', '--json', first, second);
    assert.equal(code, 1);
    assert.deepEqual(stdout.trimEnd().split('\n'), [...LINES, ...more]);
    assert.match(stderr, /: inserted: /);
  });

  it('shows that the beginning of the only file was removed, by itself and by the note', async (t) => {
    const { write, note, config } = await makePlace(t);
    note(HEAD, headOf(LINES[0]));
    write('audit.jsonl', LINES);
    assert.equal((await audit('verify', config)).code, 0);
    write('audit.jsonl', LINES.slice(3));
    const { code, stdout } = await audit('verify', config);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /audit\.jsonl:1: removed: what was in the file before record 4 is missing/,
    );
    // One that claims to begin a file is known by the note alone.
    const anew = lineAfter(EMPTY_CHAIN, { event: 'stop' }, 'file');
    const other = [anew, ...makeChain(2, headOf(anew))];
    write('audit.jsonl', other);
    note(headOf(other.at(-1)), headOf(LINES[0]));
    const rewritten = await audit('verify', config);
    assert.equal(rewritten.code, 1);
    assert.match(rewritten.stdout, /audit\.jsonl:1: edited: record 1 is not the one that is known/);
  });

  it('shows a chain that was cut or written anew, by a head that was kept', async (t) => {
    const { write } = await makePlace(t);
    const cut = write('cut', LINES.slice(0, 7));
    const head = `--head=9:${HEAD.hash}`;
    assert.equal((await audit('verify', cut)).code, 0);
    const missing = await audit('verify', head, cut);
    assert.equal(missing.code, 1);
    assert.match(missing.stdout, /cut:7: truncated: .*record 9/);
    const forged = [...LINES.slice(0, 4)];
    for (let count = 0; count < 6; count += 1) {
      forged.push(lineAfter(headOf(forged.at(-1)), { event: 'stop' }));
    }
    const anew = write('anew', forged);
    assert.equal((await audit('verify', anew)).code, 0);
    assert.equal((await audit('verify', head.toUpperCase().replace('HEAD', 'head'), anew)).code, 1);
    assert.equal((await audit('verify', head, write('whole', LINES))).code, 0);
  });

  it('takes the log of the configuration, and what it was rotated to', async (t) => {
    const { write, note, config } = await makePlace(t);
    write('audit.jsonl', []);
    write('audit.jsonl.1', LINES.slice(6));
    write('audit.jsonl-20261101.gz', LINES.slice(0, 3));
    write('audit.jsonl.20261122T013339Z-1', LINES.slice(3, 6));
    write('audit.jsonl.swp', ['not one of them']);
    write('audit.jsonlines', ['nor this']);
    note(HEAD);
    const { code, stdout, stderr } = await audit('verify', config);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^records 1 to 9, in 4 files: the chain holds$/m);
  });

  it('takes a file that is being compressed, and not what there is of the compressed one', async (t) => {
    const { write, config, folder } = await makePlace(t);
    write('audit.jsonl', LINES.slice(6));
    write('audit.jsonl.1', LINES.slice(0, 6));
    const half = gzipSync(Buffer.from(LINES.join('\n'))).subarray(0, -9);
    writeFileSync(join(folder, 'audit.jsonl.1.gz'), half);
    const { code, stdout, stderr } = await audit('verify', config);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^records 1 to 9, in 2 files: the chain holds$/m);
  });

  it('looks again when the log is rotated meanwhile', async (t) => {
    const { write, log } = await makePlace(t);
    const current = write('audit.jsonl', LINES.slice(6));
    const rotated = write('audit.jsonl.1', LINES.slice(0, 6));
    const verifying = verifyLog({ log, head: undefined }, undefined);
    renameSync(rotated, `${log}.2`);
    renameSync(current, `${log}.1`);
    const { ok, files } = await verifying;
    assert.ok(ok);
    assert.deepEqual(files, [`${log}.2`, `${log}.1`]);
  });

  it('shows a log whose end was cut off, by the note of the daemon', async (t) => {
    const { write, note, config } = await makePlace(t);
    write('audit.jsonl', LINES.slice(0, 7));
    note(HEAD);
    const { code, stdout } = await audit('verify', config);
    assert.equal(code, 1);
    assert.match(stdout, /audit\.jsonl:7: truncated: /);
    note(headOf(LINES[5]), undefined, process.pid);
    assert.equal((await audit('verify', config)).code, 0, 'the note may be behind');
  });

  it('shows records that go on after the daemon had ended in order', async (t) => {
    const { write, note, config } = await makePlace(t);
    note(HEAD, headOf(LINES[0]));
    const forged = makeChain(3, HEAD);
    write('audit.jsonl', [...LINES, ...forged]);
    const message = 'record 10 comes after record 9, with which the daemon ended in order';
    for (const head of [[], [`--head=4:${headOf(LINES[3]).hash}`]]) {
      const { code, stdout } = await audit('verify', config, ...head);
      assert.equal(code, 1);
      assert.ok(stdout.includes(`audit.jsonl:10: inserted: ${message}`), stdout);
      assert.match(stdout, /the chain is broken, in one place/);
    }
    write('audit.jsonl.1', LINES);
    write('audit.jsonl', forged);
    const { code, stdout } = await audit('verify', config);
    assert.equal(code, 1, 'in a file of their own');
    assert.ok(stdout.includes(`audit.jsonl:1: inserted: ${message}`), stdout);
    note(HEAD, headOf(LINES[0]), process.pid);
    assert.equal((await audit('verify', config)).code, 0, 'a daemon that runs has not ended');
  });

  it('looks again when the daemon starts meanwhile', async (t) => {
    const { write, note, log, folder } = await makePlace(t);
    note(HEAD);
    write('audit.jsonl', LINES);
    const verifying = verifyLog({ log, head: headPathOf(join(folder, 'state'), log) }, undefined);
    note(HEAD, undefined, process.pid);
    write('audit.jsonl', [...LINES, ...makeChain(1, HEAD)]);
    const { ok, records } = await verifying;
    assert.ok(ok);
    assert.equal(records, 10);
  });

  it('tells gaps that the daemon recorded, which break nothing', async (t) => {
    const { write } = await makePlace(t);
    const reason = '3 records could not be written: ENOSPC';
    const path = write('audit.jsonl', [...LINES, lineAfter(HEAD, { event: 'gap', reason })]);
    const { code, stdout } = await audit('verify', path);
    assert.equal(code, 0);
    assert.match(stdout, /audit\.jsonl:10: note: .*3 records could not be written: ENOSPC/);
  });

  it('prints JSON', async (t) => {
    const { write } = await makePlace(t);
    const path = write('audit.jsonl', LINES.toSpliced(4, 1));
    const { code, stdout } = await audit('verify', '--json', path);
    const report: unknown = JSON.parse(stdout);
    assert.equal(code, 1);
    assert.deepEqual(report, {
      ok: false,
      records: 8,
      first: 1,
      head: HEAD,
      findings: [
        { kind: 'removed', file: path, line: 5, message: 'record 5 is missing before record 6' },
      ],
      notes: [],
      files: [path],
    });
  });

  it('fails where there is nothing to check', async (t) => {
    const { write, config, folder } = await makePlace(t);
    assert.equal((await audit('verify', config)).code, 1, 'no file');
    assert.equal((await audit('verify', write('empty', []))).code, 1, 'no record');
    const missing = await audit('verify', join(folder, 'missing'));
    assert.deepEqual([missing.code, missing.stdout], [1, '']);
    assert.match(missing.stderr, /audit log: .*ENOENT/);
    assert.match((await audit('verify', folder)).stderr, /not a regular file/);
    const bad = join(folder, 'bad.gz');
    writeFileSync(bad, gzipSync(Buffer.from(LINES.join('\n'))).subarray(0, -9));
    assert.match((await audit('verify', bad)).stderr, /audit log: .*bad\.gz: unexpected end/);
  });

  it('refuses a head that is none', async (t) => {
    const { log } = await makePlace(t);
    for (const head of ['', '9', `0:${HEAD.hash}`, `9:${HEAD.hash}0`, HEAD.hash]) {
      assert.equal((await audit('verify', `--head=${head}`, log)).code, 2, head);
    }
  });
});

function edited(line = ''): string {
  return line.replace('"verdict":"signed"', '"verdict":"failed"');
}

const DECISIONS: readonly AuditEntry[] = [
  { event: 'start', reason: 'clavigerd 0.1.0' },
  {
    event: 'decision',
    verdict: 'signed',
    listener: 'web',
    connection: '1',
    operation: 'new-order',
    identifiers: ['dns:www.example.org', 'dns:example.org'],
    'queue-ms': 0.5,
    'token-ms': 40,
  },
  {
    event: 'decision',
    verdict: 'denied',
    connection: '2',
    operation: 'new-order',
    identifiers: ['dns:\u001b]0;x\u0007'],
    rule: 'web.identifiers',
    reason: "policy 'web' does not allow it\n",
  },
  { event: 'decision', verdict: 'signed', connection: '2', operation: 'read' },
];

function decisionLines(): readonly string[] {
  const lines: string[] = [];
  for (const entry of DECISIONS) {
    lines.push(lineAfter(lines.length === 0 ? EMPTY_CHAIN : headOf(lines.at(-1)), entry));
  }
  return lines;
}

describe('clavigerd audit show', () => {
  const lines = decisionLines();

  it('prints a line a record, escaped, under a heading', async (t) => {
    const { write } = await makePlace(t);
    const [code, stdout] = outcomeOf(await audit('show', write('audit.gz', lines)));
    assert.equal(code, 0);
    assert.match(stdout, /^[ -~\n]*$/);
    const shown = stdout.trimEnd().split('\n');
    assert.equal(shown.length, 5);
    assert.match(shown[0] ?? '', /^TIME/);
    assert.match(shown[1] ?? '', /-- start: clavigerd 0\.1\.0$/);
    assert.match(
      shown[2] ?? '',
      /web\/1 .*new-order .*www.*,dns:example\.org .*0\.50 \+ 40\.00 ms$/,
    );
    assert.match(shown[3] ?? '', /denied .*\(web\.identifiers: policy 'web' does not allow it/);
  });

  const filters: readonly (readonly [readonly string[], readonly number[]])[] = [
    [[], [0, 1, 2, 3]],
    [['--name', 'EXAMPLE.org'], [1]],
    [['--name', 'dns:www.example.org'], [1]],
    [['--verdict', 'denied'], [2]],
    [
      ['--operation', 'new-order'],
      [1, 2],
    ],
    [['--operation', 'new-order', '--verdict', 'signed'], [1]],
    [['--since', '2099-01-01'], []],
    [
      ['--since', '2027-01-01', '--until', '2027-02-01'],
      [0, 1, 2, 3],
    ],
    [
      ['--until', '2027-01-15T08:00:00.002Z'],
      [0, 1],
    ],
  ];
  for (const [args, expected] of filters) {
    it(`--json ${args.join(' ')} prints the records as they are`, async (t) => {
      const { write } = await makePlace(t);
      const result = await audit('show', '--json', ...args, write('audit.jsonl', lines));
      const wanted = expected.map((index) => `${lines[index] ?? ''}\n`).join('');
      assert.deepEqual(outcomeOf(result), [0, wanted]);
    });
  }

  it('leaves out what is no record, says so, and fails', async (t) => {
    const { write } = await makePlace(t);
    const path = write('audit.jsonl', [lines[0] ?? '', '\u001b[2J', lines[1] ?? '']);
    const { code, stdout, stderr } = await audit('show', '--json', path);
    assert.equal(code, 1);
    assert.equal(stdout, `${lines[0] ?? ''}\n${lines[1] ?? ''}\n`);
    assert.match(stderr, /audit\.jsonl:2: not-a-record: audit record: /);
    assert.match(stderr, /hint: `clavigerd audit verify`/);
    assert.match(stderr, /^[ -~\n]*$/);
  });

  it('ends quietly when its reader has seen enough', async (t) => {
    const { write } = await makePlace(t);
    const path = write('audit.jsonl', makeChain(5000));
    const script = 'set -o pipefail; "$0" "$1" audit show "$2" | head -n 2';
    const result = await runCommand('bash', ['-c', script, process.execPath, CLAVIGERD, path]);
    assert.deepEqual([result.code, result.stderr], [74, '']); // as others end by SIGPIPE
    assert.equal(result.stdout.split('\n').length, 3);
  });

  it('refuses filters that mean nothing', async (t) => {
    const { write } = await makePlace(t);
    const path = write('audit.jsonl', lines);
    for (const filter of ['--verdict=maybe', '--operation=order', '--since=yesterday', '--x=y']) {
      const { code, stdout, stderr } = await audit('show', filter, path);
      assert.deepEqual([code, stdout], [2, ''], filter);
      assert.match(stderr, /^clavigerd: error: /);
    }
  });
});

describe('clavigerd audit summary', () => {
  const lines = decisionLines();

  it('counts by day, operation, name and verdict', async (t) => {
    const { write } = await makePlace(t);
    const path = write('audit.jsonl', lines);
    const { code, stdout } = await audit('summary', '--json', path);
    const counts: unknown = JSON.parse(stdout);
    const day = '2027-01-15';
    const order = { day, operation: 'new-order', count: 1 };
    assert.equal(code, 0);
    assert.deepEqual(counts, [
      { ...order, name: 'dns:\u001b]0;x\u0007', verdict: 'denied' },
      { ...order, name: 'dns:example.org', verdict: 'signed' },
      { ...order, name: 'dns:www.example.org', verdict: 'signed' },
      { day, operation: 'read', name: '', verdict: 'signed', count: 1 },
    ]);
    const [, text] = outcomeOf(await audit('summary', path));
    assert.match(text, /^DAY .*COUNT\n/);
    assert.match(text, /^[ -~\n]*$/);
    assert.match(text, /2027-01-15 +read +- +signed +1\n$/);
  });

  it('counts nothing outside of the times', async (t) => {
    const { write } = await makePlace(t);
    const result = await audit('summary', '--json', '--since=1d', write('audit.jsonl', []));
    assert.deepEqual(outcomeOf(result), [0, '[]\n']);
  });
});

describe('clavigerd audit', () => {
  it('needs to know where the log is', async (t) => {
    const { folder } = await makePlace(t);
    const config = join(folder, 'none.toml');
    writeFileSync(config, `privkey = "file:/x"\nsocket = "/x"\n`, { mode: 0o600 });
    for (const command of ['verify', 'show', 'summary', 'rotate']) {
      const { code, stderr } = await audit(command, '--config', config);
      assert.equal(code, 2, command);
      assert.match(stderr, /the configuration names none/);
    }
  });
});
