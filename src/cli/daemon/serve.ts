// `clavigerd` without a subcommand: configuration, log, keys, then the daemon until a signal. Runs
// in clavigerd.

import { servedListeners, type ClavigerdConfig } from '../../config/daemon/config.js';
import { describeUnused } from '../../config/daemon/references.js';
import type { Start } from '../../config/daemon/listen-settings.js';
import { LoginAttempts } from '../../keys/pin/login-attempts.js';
import { systemClock } from '../../lib/clock.js';
import { systemCodeOf } from '../../lib/errors.js';
import { Log } from '../../sys/log.js';
import { assertPassedSockets, servedSockets } from '../../sys/passed-sockets.js';
import { isJournal, takePassedSockets, type PassedSocket } from '../../sys/systemd.js';
import { effectiveUserId } from '../../sys/user.js';
import { loadDaemonConfig, type DaemonConfig } from './config.js';
import { DaemonStderr } from './daemon-stderr.js';
import { formatEffectiveConfig } from './effective-config.js';
import { EXIT_OK, EXIT_OUTPUT_LOST, reportFailure } from '../terminal/failure.js';
import { openDaemonRecords, logAuditHead } from './records.js';
import { reopenOnSighup } from './reopen-logs.js';
import { exitCodeOfSignal, type EndingSignal } from '../terminal/interrupted.js';
import { openServedAccounts } from './served-accounts.js';
import { STDERR_FD } from '../terminal/standard-error.js';
import { printText } from '../terminal/standard-output.js';

export interface ServeOptions {
  readonly config?: string;
  readonly privkey?: string;
  readonly socket?: string;
  readonly stdio?: boolean;
  readonly quiet?: boolean;
  readonly logPriorities?: boolean;
  readonly debug?: boolean;
  readonly check?: boolean;
}

/**
 * Runs the daemon; gives the exit code. @throws AppError of any folder, before anything is served.
 */
export async function serve(options: ServeOptions): Promise<number> {
  const all = options.stdio === true ? [] : takePassedSockets(process.env, process.pid);
  const passed = servedSockets(all);
  const start = startOf(options, passed);
  const isCheck = options.check === true;
  // Systemd passes its sockets to the service alone, and --check is run by hand without them.
  const isKnown = !isCheck || start.kind === 'stdio' || passed.length > 0;
  const loaded = loadDaemonConfig(options, isKnown ? start : undefined);
  const { config } = loaded;
  if (all.length > 0) {
    assertPassedSockets(all, effectiveUserId());
  }
  if (isCheck) {
    return await check(config);
  }
  const stderr = new DaemonStderr();
  const log = newLog(config, stderr, options.debug === true);
  const hasOtherLog = config.logfile !== undefined || config.auditLog !== undefined;
  const lost = stderr.gone.then((code) => {
    log.warning('standard-error-lost', { reason: code });
    return 'standard error is lost, and there is no other log';
  });
  // Before the records: from there on `audit rotate` and logrotate may signal this process.
  const signalled = stopSignal(log);
  let endedBy: EndingSignal | undefined;
  void signalled.then((signal) => (endedBy = signal));
  const stopped = hasOtherLog ? signalled : Promise.race([signalled, lost]);
  const lostReply = start.kind === 'stdio' ? watchReplies(process.stdout) : undefined;
  try {
    await serveWith(loaded, { log, start, passed, stopped });
  } finally {
    log.close();
  }
  const isLogLost = stderr.hasLost && !hasOtherLog;
  if (isLogLost || lostReply?.() === true) {
    return EXIT_OUTPUT_LOST;
  }
  // A service manager ends the daemon with TERM, which is success; Ctrl-C is an interruption.
  return endedBy === 'SIGINT' ? exitCodeOfSignal(endedBy) : EXIT_OK;
}

/** Prints the configuration, and reports what would end the start. */
async function check(config: ClavigerdConfig): Promise<number> {
  const { checkStart } = await import('./start-checks.js');
  const { problems, notes } = await checkStart(config);
  printText(`${formatEffectiveConfig(config)}${notes.map((note) => `# ${note}\n`).join('')}`);
  const codes = problems.map((problem) => reportFailure('clavigerd', problem));
  return Math.max(EXIT_OK, ...codes);
}

/**
 * @returns a function that returns whether a reply could not be written, for another reason than
 *   that the client has left
 */
function watchReplies(output: NodeJS.WritableStream): () => boolean {
  let isLost = false;
  output.on('error', (error) => {
    isLost ||= systemCodeOf(error) !== 'EPIPE';
  });
  return () => isLost;
}

function startOf(options: ServeOptions, passed: readonly PassedSocket[]): Start {
  return options.stdio === true
    ? { kind: 'stdio' }
    : { kind: 'sockets', passed: passed.map(({ name }) => name) };
}

function newLog(config: ClavigerdConfig, stderr: DaemonStderr, debug: boolean): Log {
  return new Log({
    program: 'clavigerd',
    clock: systemClock,
    writeStderr: (lines) => stderr.write(lines),
    priorities: config.logPriorities || isJournal(process.env, STDERR_FD),
    quiet: config.quiet,
    debug,
    file: config.logfile,
  });
}

interface Service {
  readonly log: Log;
  readonly start: Start;
  readonly passed: readonly PassedSocket[];
  /** Resolves when the daemon is to stop, with the reason. */
  readonly stopped: Promise<string>;
}

async function serveWith(
  { config, policies }: DaemonConfig,
  { log, start, passed, stopped }: Service,
): Promise<void> {
  const listeners = servedListeners(config, start);
  for (const message of describeUnused(config)) {
    log.warning('unused', { message });
  }
  const reopenToo = reopenOnSighup(log);
  const records = await openDaemonRecords(config, policies, listeners, log);
  const { audit, refusals, ledger } = records;
  reopenToo({
    reopen: () => {
      refusals.flush();
      if (audit !== undefined) {
        audit.reopen();
        logAuditHead(audit, log);
      }
    },
  });
  const attempts = new LoginAttempts();
  const accounts = openServedAccounts(config, start, log, attempts);
  const serving = import('../../daemon/daemon.js'); // loads while the keys are being opened
  try {
    const { runDaemon, runStdio } = await serving;
    const userId = effectiveUserId();
    const daemon = { config, policies, accounts, log, audit, refusals, ledger, userId, stopped };
    await (start.kind === 'stdio'
      ? runStdio(daemon, process.stdin, process.stdout)
      : runDaemon(daemon, passed));
  } finally {
    // A key that is still being opened is not waited for, since it ends with this process; but a
    // login is: without its result the PIN would stay latched.
    await attempts.stop();
    await Promise.all(accounts.map(({ keys }) => keys.close()));
    await records.close();
  }
}

/** Resolves at INT or TERM. USR1 must have a handler, or Node opens its debugger. */
function stopSignal(log: Log): Promise<EndingSignal> {
  process.on('SIGUSR1', () => {
    log.debug('signal-ignored', { signal: 'SIGUSR1' });
  });
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        resolve(signal);
      });
    }
  });
}
