// The `clavigerd audit` commands: check, show, count and rotate the audit log. A process of its
// own, run by a person or a timer while the daemon may be writing. It writes nothing, but for
// `rotate`, which renames the log and signals the daemon. The files are not trusted; their text is
// escaped.

import { Argument, Option, type Command } from 'commander';
import { AUDIT_VERDICTS, type AuditVerdict } from '../../audit/audit-record.js';
import { systemClock } from '../../lib/clock.js';
import { printable } from '../../lib/printable.js';
import { OPERATIONS, type Operation } from '../../policy/operation.js';
import { AuditCounter, formatCounts } from './counts.js';
import { isWanted, type RecordFilter } from './filter.js';
import { readHeadNote } from './head-note.js';
import { formatHeadLine, formatRecordLine } from './lines.js';
import { filesOfLog, loadAuditPlaces } from './log-location.js';
import { readRecords } from './records.js';
import { rotateAuditLog } from './rotate.js';
import { parseTimePoint } from './time.js';
import { formatVerification, parseHead, verifyFiles, verifyLog } from './verify.js';
import { EXIT_FAILURE, EXIT_OK } from '../terminal/failure.js';
import { printStderr } from '../terminal/standard-error.js';
import { printJson, printLines, printText } from '../terminal/standard-output.js';

interface AuditOptions {
  readonly config?: string;
  readonly json?: boolean;
}

interface VerifyOptions extends AuditOptions {
  readonly head?: string;
}

interface SummaryOptions extends AuditOptions {
  readonly since?: string;
  readonly until?: string;
}

interface ShowOptions extends SummaryOptions {
  readonly name?: string;
  readonly verdict?: AuditVerdict;
  readonly operation?: Operation;
}

/** Breaks of the chain that `show`, `summary` and `rotate` print; `verify` prints all. */
const MAX_PRINTED_PROBLEMS = 10;

type SetExitCode = (code: number) => void;

const HELP = `
Without FILE, the audit-log of the configuration and the files it was rotated to are read. Files may be
compressed by gzip and named in any order. A TIME is 2026-11-22, 2026-11-22T10:00 (UTC), or 2h for two hours
ago. What the records hold: clavigerd-audit(5).
`;

/** Adds `audit verify`, `show`, `summary` and `rotate` to the program. */
export function addAuditCommands(program: Command, setExitCode: SetExitCode): void {
  const audit = program
    .command('audit')
    .description('check, show, count and rotate the audit log')
    .addHelpText('after', HELP);
  withFiles(audit.command('verify'))
    .description('check that no record was removed, inserted, moved or changed')
    .option('--head <seq:hash>', 'a record that must be there, as verify printed it earlier')
    .action(async (paths: readonly string[], _options: VerifyOptions, command: Command) => {
      setExitCode(await verify(paths, command.optsWithGlobals()));
    });
  withTimes(withFiles(audit.command('show')))
    .description('print the records')
    .option('--name <name>', 'decisions on this name')
    .addOption(
      new Option('--verdict <verdict>', 'decisions of this verdict').choices(AUDIT_VERDICTS),
    )
    .addOption(new Option('--operation <operation>', 'decisions on this').choices(OPERATIONS))
    .action(async (paths: readonly string[], _options: ShowOptions, command: Command) => {
      setExitCode(await show(paths, command.optsWithGlobals()));
    });
  withTimes(withFiles(audit.command('summary')))
    .description('count the decisions of each day by operation, name and verdict')
    .action(async (paths: readonly string[], _options: SummaryOptions, command: Command) => {
      setExitCode(await summarize(paths, command.optsWithGlobals()));
    });
  audit
    .command('rotate')
    .description('move the log aside and have the daemon begin a new one')
    .option('--config <file>', 'configuration file of the daemon')
    .action(async (_options: AuditOptions, command: Command) => {
      setExitCode(await rotate(command.optsWithGlobals()));
    });
}

function withFiles(command: Command): Command {
  return command
    .addArgument(new Argument('[file...]', 'audit files (default: those of the configuration)'))
    .option('--config <file>', 'configuration file that names the audit log')
    .option('--json', 'print JSON');
}

function withTimes(command: Command): Command {
  return command
    .option('--since <time>', 'records from that time on')
    .option('--until <time>', 'records before that time');
}

async function verify(paths: readonly string[], options: VerifyOptions): Promise<number> {
  const named = options.head === undefined ? undefined : parseHead(options.head);
  const verification = await (paths.length > 0
    ? verifyFiles(paths, named === undefined ? [] : [named])
    : verifyLog(loadAuditPlaces(options.config), named));
  if (options.json === true) {
    printJson({ ...verification, unchained: undefined });
  } else {
    printLines(formatVerification(verification));
  }
  return verification.ok ? EXIT_OK : EXIT_FAILURE;
}

async function show(paths: readonly string[], options: ShowOptions): Promise<number> {
  const filter = filterOf(options);
  const isJson = options.json === true;
  const problems = new ProblemPrinter();
  printLines(isJson ? [] : [formatHeadLine()]);
  for await (const batch of readRecords(filesFor(paths, options), problems.print)) {
    const wanted = batch.filter(({ record }) => isWanted(record, filter));
    printLines(wanted.map(({ record, line }) => (isJson ? line : formatRecordLine(record))));
  }
  return problems.exitCode();
}

async function summarize(paths: readonly string[], options: SummaryOptions): Promise<number> {
  const filter = filterOf(options);
  const counter = new AuditCounter();
  const problems = new ProblemPrinter();
  for await (const batch of readRecords(filesFor(paths, options), problems.print)) {
    for (const { record } of batch.filter((read) => isWanted(read.record, filter))) {
      counter.add(record);
    }
  }
  const counts = counter.result();
  if (options.json === true) {
    printJson(counts);
  } else {
    printLines([formatCounts(counts)]);
  }
  return problems.exitCode();
}

async function rotate({ config }: AuditOptions): Promise<number> {
  const { log, head } = loadAuditPlaces(config);
  const { movedTo, pid } = await rotateAuditLog({
    path: log,
    readDaemonPid: () => (head === undefined ? undefined : readHeadNote(head)?.pid),
    clock: systemClock,
  });
  const goesOn =
    pid === undefined
      ? 'no daemon has it open: the next one begins a new log'
      : `process ${pid} has begun a new log`;
  printText(`${printable(movedTo)}: the records up to now; ${goesOn}\n`);
  const problems = new ProblemPrinter();
  const { findings } = await verifyFiles([movedTo], []);
  for (const { file, line, kind, message } of findings) {
    problems.print(`${file}:${line}: ${kind}: ${message}`);
  }
  return problems.exitCode();
}

function filesFor(paths: readonly string[], { config }: AuditOptions): readonly string[] {
  return paths.length > 0 ? paths : filesOfLog(loadAuditPlaces(config).log);
}

function filterOf(options: ShowOptions): RecordFilter {
  const now = systemClock.now();
  const { since, until, name, verdict, operation } = options;
  return {
    since: since === undefined ? undefined : parseTimePoint('--since', since, now),
    until: until === undefined ? undefined : parseTimePoint('--until', until, now),
    name,
    verdict,
    operation,
  };
}

/** Prints what breaks the chain to standard error; any problem makes the command fail. */
class ProblemPrinter {
  #count = 0;

  readonly print = (problem: string): void => {
    this.#count += 1;
    if (this.#count <= MAX_PRINTED_PROBLEMS) {
      printStderr(`clavigerd: error: ${printable(problem)}\n`);
    }
  };

  exitCode(): number {
    if (this.#count === 0) {
      return EXIT_OK;
    }
    const places = this.#count === 1 ? 'one place' : `${this.#count} places`;
    printStderr(`clavigerd: error: audit log: the chain is broken, in ${places}\n`);
    printStderr('clavigerd: hint: `clavigerd audit verify` prints all of them\n');
    return EXIT_FAILURE;
  }
}
