// Output that is lost is a failure: every command of both programs with a full disk, or a reader
// that has left, at the end of its standard output or its standard error; and a daemon whose
// standard error is gone.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCodeOf } from '../../../src/lib/errors.js';
import { makeChain } from '../../support/audit/audit-chain.js';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { writeKeyFile } from '../../support/daemon/clavigerd.js';
import { askOnce, makeSectionBed } from '../../support/daemon/daemon-sections.js';
import { makeKey } from '../../support/keys/keys.js';
import { mustRun, runCommand, startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../../support/programs.js';
import { atEnd, suiteScope, type Scope } from '../../support/scope.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';
import { createSoftHsm, type SoftHsm, type SoftHsmToken } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const LOST = 74;
const TIMEOUT_MS = 60_000;
/** What a whole run of commands of one program says about itself. */
const PROGRAMS = { claviger: CLAVIGER, clavigerd: CLAVIGERD } as const;
type Program = keyof typeof PROGRAMS;

/** Commands that need a token nobody has here; they print as the other `key` commands do. */
const UNTRIED = ['clavigerd key attest'];

interface Bed {
  readonly hsm: SoftHsm;
  readonly token: SoftHsmToken;
  /** Stands for `@` in the arguments. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Printing {
  readonly args: readonly string[];
  /** It prints nothing on standard output: what it makes are files. */
  readonly isSilent?: true;
  /**
   * All it says on standard error is what is under way: whoever does not hear that has lost
   * nothing.
   */
  readonly tellsProgress?: true;
  /** What each run needs anew. */
  readonly prepare?: (bed: Bed, run: string) => Promise<void> | void;
}

const CONFIG = '--config=@/clavigerd.toml';
const CLIENT = '--config=@/claviger.toml';
const TOKEN = ['--module-name=softhsm2', '--token=t', '--pin-source=file:@/pin'];
const KEY_URI = 'pkcs11:token=t;object=k?module-name=softhsm2&pin-source=file:@/pin';

/**
 * Each command that prints, by its name in the help; in an order in which each can be run twice.
 */
const COMMANDS: readonly (readonly [name: string, ...Printing[]])[] = [
  [
    'clavigerd',
    { args: ['--help'] },
    { args: ['--version'] },
    { args: ['help', 'key'] },
    { args: ['--check', CONFIG] },
  ],
  [
    'clavigerd key generate',
    { args: ['key', 'generate', ...TOKEN, '--label=g#'], tellsProgress: true },
  ],
  ['clavigerd key import', { args: ['key', 'import', '@/account.pem', ...TOKEN, '--label=i#'] }],
  [
    'clavigerd key list',
    { args: ['key', 'list', ...TOKEN] },
    { args: ['key', 'list', ...TOKEN, '--json'] },
  ],
  [
    'clavigerd key show',
    { args: ['key', 'show', KEY_URI] },
    { args: ['key', 'show', KEY_URI, '--json'] },
    { args: ['key', 'show', 'file:@/account.pem', '--openssh'] },
    { args: ['key', 'show', 'file:@/account.pem', '--csr=a.example'] },
  ],
  [
    'clavigerd key test',
    { args: ['key', 'test', 'file:@/account.pem', '--count=2'], tellsProgress: true },
  ],
  [
    'clavigerd key pin change',
    { args: ['key', 'pin', 'change', ...TOKEN, '--new-pin-source=file:@/pin'] },
  ],
  [
    'clavigerd key delete',
    {
      prepare: ({ hsm, token }, run) =>
        hsm.addKey(token, { label: 'd', id: run, type: 'EC:prime256v1' }),
      args: ['key', 'delete', KEY_URI.replace('object=k', 'object=d'), '--yes-delete=d'],
    },
  ],
  [
    'clavigerd pin status',
    { args: ['pin', 'status', CONFIG] },
    { args: ['pin', 'status', CONFIG, '--json'] },
  ],
  ['clavigerd pin clear', { args: ['pin', 'clear', CONFIG] }],
  [
    'clavigerd audit verify',
    { args: ['audit', 'verify', '@/audit.jsonl'] },
    { args: ['audit', 'verify', '@/audit.jsonl', '--json'] },
  ],
  [
    'clavigerd audit show',
    { args: ['audit', 'show', '@/audit.jsonl'] },
    { args: ['audit', 'show', '@/audit.jsonl', '--json'] },
  ],
  [
    'clavigerd audit summary',
    { args: ['audit', 'summary', '@/audit.jsonl'] },
    { args: ['audit', 'summary', '@/audit.jsonl', '--json'] },
  ],
  [
    'clavigerd audit rotate',
    {
      prepare: ({ folder }) => {
        writeFileSync(join(folder, 'log/audit.jsonl'), '', { mode: 0o600 });
      },
      args: ['audit', 'rotate', CONFIG],
    },
  ],
  [
    'clavigerd policy test',
    { args: ['policy', 'test', '@/requests', CONFIG] },
    { args: ['policy', 'test', '@/requests', CONFIG, '--json'] },
  ],
  ['clavigerd policy explain', { args: ['policy', 'explain', CONFIG] }],
  ['claviger', { args: ['--help'] }, { args: ['--version'] }, { args: ['issue', '--help'] }],
  ['claviger account register', { args: ['account', 'register', CLIENT], tellsProgress: true }],
  ['claviger account show', { args: ['account', 'show', CLIENT], tellsProgress: true }],
  [
    'claviger issue',
    {
      args: ['issue', 'a.test', CLIENT, '--key=@/w.key', '--fullchain=@/w.pem'],
      isSilent: true,
      tellsProgress: true,
    },
    {
      // A warning among it.
      prepare: ({ folder }) => {
        writeFileSync(join(folder, 'd.pem'), 'no certificate');
      },
      args: ['issue', 'a.test', CLIENT, '--key=@/d.key', '--fullchain=@/d.pem', '--quiet'],
      isSilent: true,
    },
  ],
  ['claviger revoke', { args: ['revoke', '@/w.pem', CLIENT], isSilent: true, tellsProgress: true }],
  ['claviger renew', { args: ['renew', '--force', CLIENT], isSilent: true, tellsProgress: true }],
];

async function makeBed(scope: Scope): Promise<Bed> {
  const folder = await makeTempDir(scope);
  const path = (name: string): string => join(folder, name);
  const key = makeKey('ES256');
  await writeKeyFile(folder, key);
  mkdirSync(path('log'), { mode: 0o700 });
  mkdirSync(path('state'), { mode: 0o700 });
  const toml = `privkey = "file:@/account.pem"
socket = "@/S"
state-directory = "@/state"
audit-log = "@/log/audit.jsonl"
default-policy = "web"
[policy.web]
operations = ["read"]
`;
  writeFileSync(path('clavigerd.toml'), toml.replaceAll('@', folder), { mode: 0o600 });
  writeFileSync(path('audit.jsonl'), `${makeChain(50).join('\n')}\n`, { mode: 0o600 });
  const url = 'https://ca.example/x';
  writeFileSync(
    path('requests'),
    formatSigningInput({ alg: 'ES256', kid: 'https://ca.example/a', url }),
  );
  const hsm = await createSoftHsm(scope);
  await mustRun('mkfifo', [path('fifo')]);
  const token = await hsm.addToken('t');
  await hsm.addKey(token, { label: 'k', id: '01', type: 'EC:prime256v1' });
  writeFileSync(path('pin'), `${token.pin}\n`, { mode: 0o600 });
  const issue = await prepareIssue(scope);
  const client = readFileSync(join(issue.folder, 'claviger.toml'), 'utf8');
  const section = `[[certificate]]\nnames = ["b.test"]\nkey = "@/r.key"\nfullchain = "@/r.pem"\n`;
  writeFileSync(path('claviger.toml'), client + section.replaceAll('@', folder), { mode: 0o600 });
  return { hsm, token, folder, env: { ...hsm.env } };
}

/**
 * Where a command's words go: `ok` is read by the test. A pipe without a reader is made of a FIFO.
 */
const NO_READER = 'exec 3<>"$0" 4>"$0" 3>&-; exec "$@"';
const REDIRECTIONS = {
  ok: 'exec "$@"',
  fullOutput: 'exec "$@" >/dev/full',
  fullError: 'exec "$@" 2>/dev/full',
  unreadOutput: `${NO_READER} >&4`,
  unreadError: `${NO_READER} 2>&4`,
} as const;

let runs = 0;

/** Runs a command. `@` is the folder of the bed, `#` a number of its own. */
async function run(
  bed: Bed,
  name: string,
  { args, prepare }: Printing,
  to: keyof typeof REDIRECTIONS,
): Promise<CommandResult> {
  runs += 1;
  const number = String(runs).padStart(4, '0');
  await prepare?.(bed, number);
  const words = args.map((arg) => arg.replaceAll('@', bed.folder).replaceAll('#', number));
  const program = PROGRAMS[name.split(' ')[0] === 'claviger' ? 'claviger' : 'clavigerd'];
  const fifo = join(bed.folder, 'fifo');
  const command = ['-c', REDIRECTIONS[to], fifo, process.execPath, program, ...words];
  return await runCommand('sh', command, { env: bed.env, timeoutMs: TIMEOUT_MS });
}

describe('every command', () => {
  const scope = suiteScope();
  let bed: Bed;
  before(async () => {
    bed = await makeBed(scope);
  });

  it('is tried here', async () => {
    const tried = [...COMMANDS.map(([name]) => name), ...UNTRIED];
    const all = [...(await commandsOf('claviger')), ...(await commandsOf('clavigerd'))];
    assert.deepEqual(all.sort(), tried.toSorted());
  });

  for (const [name, ...printings] of COMMANDS) {
    for (const printing of printings) {
      const shown = [name, ...printing.args.filter((arg) => arg.startsWith('--'))].join(' ');
      it(`fails when what it says is lost: ${shown.replaceAll('@/', '')}`, async () => {
        const heard = await run(bed, name, printing, 'ok');
        assert.equal(heard.code, 0, heard.stderr);
        if (printing.isSilent !== true) {
          assert.notEqual(heard.stdout, '');
          const full = await run(bed, name, printing, 'fullOutput');
          assert.deepEqual([full.code, full.signal], [LOST, null], full.stderr);
          assert.match(full.stderr, /: error: standard output: ENOSPC/);
          const unread = await run(bed, name, printing, 'unreadOutput');
          assert.deepEqual([unread.code, unread.signal], [LOST, null], unread.stderr);
          assert.doesNotMatch(unread.stderr, /error|EPIPE|^ +at /m);
        }
        if (printing.isSilent === true || printing.tellsProgress === true) {
          assert.notEqual(heard.stderr, '');
        }
        const lost = heard.stderr === '' || printing.tellsProgress === true ? 0 : LOST;
        for (const to of ['fullError', 'unreadError'] as const) {
          const { code, stdout } = await run(bed, name, printing, to);
          assert.equal(code, lost, to);
          assert.equal(
            stdout === '',
            printing.isSilent === true,
            'its result is told all the same',
          );
        }
      });
    }
  }
});

describe('a part of an output', () => {
  it('that does not fit on the disk is a failure, too', async (t) => {
    const folder = await makeTempDir(t);
    const log = join(folder, 'audit.jsonl');
    writeFileSync(log, `${makeChain(200).join('\n')}\n`, { mode: 0o600 });
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const script =
      'mount -t tmpfs -o size=16k tmpfs "$0" && "$@" >"$0/out"; echo $? $(wc -c <"$0/out")';
    const show = [process.execPath, CLAVIGERD, 'audit', 'show', '--json', log];
    const { stdout, stderr } = await runCommand('unshare', [
      '--mount',
      'sh',
      '-c',
      script,
      disk,
      ...show,
    ]);
    assert.equal(stdout, `${LOST} 16384\n`, stderr);
    assert.match(stderr, /standard output: ENOSPC/);
  });
});

describe('a daemon whose standard error is gone', () => {
  const BARE = 'privkey = "file:@/account.pem"\nsocket = "@/S"\nstate-directory = "@/state"\n';

  /** Its reader is a process that ends. */
  async function startWithReader(t: TestContext, toml: string) {
    const bed = await makeSectionBed(t, toml);
    writeFileSync(bed.config, toml.replaceAll('@', bed.folder)); // without the log file of the bed
    const script = 'mkfifo "$0"; sleep 1000 <>"$0" & echo reader $!; exec "$@" 2>"$0"';
    const args = [bed.path('fifo'), process.execPath, CLAVIGERD, `--config=${bed.config}`];
    const daemon = await startProcess(t, {
      command: 'sh',
      args: ['-c', script, ...args],
      waitFor: { socket: bed.path('S') },
    });
    const reader = Number(/^reader (\d+)$/m.exec(daemon.stdout)?.[1]);
    atEnd(t, () => {
      endReader(reader);
    });
    assert.equal(await askOnce(t, bed.path('S')), 'signed');
    endReader(reader);
    await waitUntilGone(reader);
    return { bed, daemon };
  }

  it('ends with a code that says so where there is no other log', async (t) => {
    const { bed, daemon } = await startWithReader(t, BARE);
    assert.notEqual(await askOnce(t, bed.path('S')).catch(() => 'closed'), 'signed');
    assert.deepEqual(await daemon.waitForExit(), { code: LOST, signal: null });
    assert.equal(existsSync(bed.path('S')), false);
  });

  for (const [kind, setting] of [
    ['log file', 'logfile = "@/other.log"\n'],
    ['audit log', 'audit-log = "@/audit.jsonl"\n'],
  ] as const) {
    it(`goes on with its ${kind}`, async (t) => {
      const { bed, daemon } = await startWithReader(t, `${setting}${BARE}`);
      for (let count = 0; count < 3; count += 1) {
        assert.equal(await askOnce(t, bed.path('S')), 'signed');
      }
      assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
      const path = bed.path(kind === 'log file' ? 'other.log' : 'audit.jsonl');
      const written = readFileSync(path, 'utf8');
      assert.equal(written.match(/ signed |"signed"/g)?.length, 4);
      if (kind === 'log file') {
        assert.equal(written.match(/warning standard-error-lost reason=EPIPE/g)?.length, 1);
      }
    });
  }
});

describe('clavigerd --stdio', () => {
  it('fails when its replies cannot be written', async (t) => {
    const bed = await makeSectionBed(t, 'privkey = "file:@/account.pem"\n');
    const args = [process.execPath, CLAVIGERD, `--config=${bed.config}`, '--stdio'];
    const { code } = await runCommand('sh', [
      '-c',
      'exec "$@" </dev/null >/dev/full',
      'sh',
      ...args,
    ]);
    assert.equal(code, LOST);
  });
});

function endReader(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    assert.equal(systemCodeOf(error), 'ESRCH');
  }
}

async function waitUntilGone(pid: number): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (
    existsSync(`/proc/${pid}`) &&
    !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  ) {
    assert.ok(Date.now() < deadline, `process ${pid} does not end`);
    await sleep(10);
  }
}

/**
 * The commands of a program that have none below them, by what its help says; the program itself
 * among them.
 */
async function commandsOf(program: Program, path: readonly string[] = []): Promise<string[]> {
  const { stdout } = await runCommand(process.execPath, [PROGRAMS[program], ...path, '--help']);
  const [, list = ''] = /^Commands:\n((?: .*\n)*)/m.exec(stdout) ?? [];
  const names = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
  const below = names.filter((name) => name !== 'help');
  const own = below.length === 0 || path.length === 0 ? [[program, ...path].join(' ')] : [];
  const found = await Promise.all(below.map((name) => commandsOf(program, [...path, name])));
  return [...own, ...found.flat()];
}
