// Runs in clavigerd and `clavigerd key`: starts gpg, which decrypts one file, without a shell. gpg
// gets neither standard input nor standard output of clavigerd, which may be a client's connection.
// Its output is the account key: it is read up to a limit, and wiped.

import { spawn, type ChildProcess } from 'node:child_process';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { locateProgram } from '../../sys/program.js';
import { terminalPath } from '../../sys/terminal.js';
import { gpgEnvironment } from '../pin/gpg-environment.js';
import type { KeyLog } from '../key-context.js';
import { WipedOutput } from '../pin/wiped-output.js';

/** An account key has a few kilobytes. */
const MAX_OUTPUT_BYTES = 64 * 1024;
const MAX_LINES = 20;
const MAX_LINE_CHARACTERS = 300;

interface GpgRun {
  /** Program and options, before those that are added. */
  readonly command: readonly [string, ...string[]];
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: KeyLog;
  /** A person has to answer pinentry in this time. */
  readonly timeoutMs: number;
}

/**
 * Runs `COMMAND --decrypt --output - -- PATH` and returns its output, which the caller has to wipe.
 * gpg's standard error goes to the log while it runs.
 * @throws AppError KEY_DECRYPT when gpg is missing, fails, writes too much or takes too long
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
  // clavigerd may be stopped while pinentry waits for a person.
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
    // A program that gpg started and that keeps the pipes open must not keep clavigerd running.
    child.stdout.destroy();
    child.stderr.destroy();
    kill();
    process.off('exit', kill);
  }
}

/** Waits for the end; returns 0, or a description of how it ended. */
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

/** Logs gpg's standard error; returns the list of its lines, which grows while gpg runs. */
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
