// Runs gpg for the daemon, to decrypt one file. No shell; standard input and output of the daemon
// stay untouched, for a client may be at them. What gpg writes is the account key: bounded, and
// wiped.

import { spawn, type ChildProcess } from 'node:child_process';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { locateProgram } from '../../sys/program.js';
import { terminalPath } from '../../sys/terminal.js';
import { gpgEnvironment } from '../pin/gpg-environment.js';
import type { KeyLog } from '../key-context.js';
import { WipedOutput } from '../pin/wiped-output.js';

/** An account key is far smaller. */
const MAX_OUTPUT_BYTES = 64 * 1024;
const MAX_LINES = 20;
const MAX_LINE_CHARACTERS = 300;

export interface GpgRun {
  /** Program and options, before those that are added. */
  readonly command: readonly [string, ...string[]];
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: KeyLog;
  /** Long enough for a person to answer pinentry. */
  readonly timeoutMs: number;
}

/**
 * Runs `COMMAND --decrypt --output - -- PATH`; gives what was decrypted, the caller's to wipe. What
 * gpg says goes to the log while it runs.
 * @throws AppError KEY_DECRYPT when gpg is missing, fails, says too much or takes too long
 */
export async function runGpg(run: GpgRun): Promise<Buffer> {
  const [program, ...options] = run.command;
  const child = spawn(
    located(program, run),
    [...options, '--decrypt', '--output', '-', '--', run.path],
    {
      env: gpgEnvironment(run.env, terminalPath()),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const output = new WipedOutput(MAX_OUTPUT_BYTES);
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  // The daemon may be told to stop while a person is being asked.
  process.once('exit', kill);
  try {
    const said = logLines(child, run.log);
    const status = await endOf(child, output, run);
    if (status !== 0) {
      const last = said.at(-1);
      throw failure(run, `ended with ${status}${last === undefined ? '' : `: ${last}`}`);
    }
    return output.take();
  } finally {
    output.wipe();
    // A program of its own that holds the pipes must not hold the daemon.
    child.stdout.destroy();
    child.stderr.destroy();
    kill();
    process.off('exit', kill);
  }
}

/** Waits for the end; gives 0, or how it ended in words. */
function endOf(child: ChildProcess, output: WipedOutput, run: GpgRun): Promise<0 | string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(failure(run, `not done within ${run.timeoutMs / 1000} s`));
    }, run.timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!output.push(chunk)) {
        reject(failure(run, `gave more than ${MAX_OUTPUT_BYTES} bytes, which is no private key`));
      }
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(notStarted(run, error));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? 0 : (signal ?? `exit status ${code ?? 'unknown'}`));
    });
  });
}

/** Puts what gpg says on standard error into the log; gives the lines, more of which come later. */
function logLines(child: ChildProcess, log: KeyLog): readonly string[] {
  const lines: string[] = [];
  let pending = '';
  const onLine = (line: string): void => {
    if (line.trim() === '' || lines.length >= MAX_LINES) {
      return;
    }
    const shown = printable(line.trim(), MAX_LINE_CHARACTERS);
    lines.push(shown);
    log('warning', `gpg says: ${shown}`);
  };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (pending + text).split('\n');
    pending = (parts.pop() ?? '').slice(0, MAX_LINE_CHARACTERS);
    parts.forEach(onLine);
  });
  child.stderr?.on('end', () => {
    onLine(pending);
  });
  return lines;
}

function failure(run: GpgRun, problem: string): AppError {
  return new AppError('KEY_DECRYPT', `account key: ${run.path}: gpg: ${problem}`, {
    hint: `try as the same user: gpg --decrypt ${run.path} >/dev/null; pinentry on a terminal needs GPG_TTY=$(tty)`,
  });
}

function located(program: string, run: GpgRun): string {
  try {
    return locateProgram(program);
  } catch (error) {
    throw notStarted(run, error);
  }
}

function notStarted(run: GpgRun, error: unknown): AppError {
  return new AppError('KEY_DECRYPT', `account key: ${run.path}: gpg: ${messageOf(error)}`, {
    hint: 'install GnuPG, or name its program by its absolute path in the setting gpg; openpgp:PATH does without',
    cause: error,
  });
}
