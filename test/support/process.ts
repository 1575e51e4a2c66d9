// Processes of a test: started with a clock on every wait, ended by their own id. Used by test
// processes only. Whatever they print is kept (within bounds) for assertions, and recorded for the
// search for secrets.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Scope, atEnd } from './scope.js';
import { recordText } from './transcript.js';

const START_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 15;
const MAX_OUTPUT_CHARS = 4 * 1024 * 1024;

/** Ready when the output matches, or when something listens on the socket or the port. */
type ReadyWhen = RegExp | { readonly socket: string } | { readonly port: number };

export interface StartOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly waitFor?: ReadyWhen;
  readonly timeoutMs?: number;
  /** True keeps standard input open, to be written by `stdin`. */
  readonly stdin?: boolean;
  /** False throws standard error away: reading it costs what a benchmark measures. */
  readonly isHeard?: boolean;
}

interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CommandResult extends ExitStatus {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs?: number;
}

const running = new Set<ChildProcess>();

function killAll(): void {
  for (const child of running) {
    child.kill('SIGKILL');
  }
}

// A test file that ends early, or that the runner ends at its time limit, leaves no process behind.
process.once('exit', killAll);
process.once('SIGTERM', () => {
  process.exit(143);
});

/** A process that was started and is known to be ready. */
export class RunningProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  #stdout = '';
  #stderr = '';
  /** Settles when the process has ended and its output is complete; never rejects after a start. */
  readonly exited: Promise<ExitStatus>;

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    running.add(child);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = keepBounded(this.#stdout, text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = keepBounded(this.#stderr, text);
    });
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#stderr += `${error.message}\n`;
        running.delete(child);
        resolve({ code: null, signal: null });
      });
      child.once('close', (code, signal) => {
        running.delete(child);
        recordText(`stdout of ${name}`, this.#stdout);
        recordText(`stderr of ${name}`, this.#stderr);
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) {
      throw new Error(`${this.#name} has no process id`);
    }
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Standard output and then standard error, so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get isRunning(): boolean {
    return running.has(this.#child);
  }

  get stdin(): Writable {
    if (this.#child.stdin === null) {
      throw new Error(`${this.#name} was started without standard input`);
    }
    return this.#child.stdin;
  }

  /** Sends a signal to this process alone. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /**
   * Waits until a condition holds; an end of the process or of the time is an error that shows the
   * output.
   */
  async waitFor(ready: ReadyWhen, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await this.#isReady(ready))) {
      if (!this.isRunning) {
        throw new Error(`${this.#name} ended before it was ready:\n${this.output}`);
      }
      if (Date.now() > deadline) {
        throw new Error(`${this.#name} was not ready in ${timeoutMs} ms:\n${this.output}`);
      }
      await sleep(POLL_MS);
    }
  }

  async #isReady(ready: ReadyWhen): Promise<boolean> {
    if (ready instanceof RegExp) {
      return ready.test(this.#stdout) || ready.test(this.#stderr);
    }
    return await isListening('socket' in ready ? { path: ready.socket } : ready);
  }

  /** Waits for the end; after `timeoutMs` the process is killed and that is an error. */
  async waitForExit(timeoutMs = COMMAND_TIMEOUT_MS): Promise<ExitStatus> {
    const clock = new AbortController();
    const late = sleep(timeoutMs, 'late' as const, { signal: clock.signal }).catch(
      () => 'late' as const,
    );
    const status = await Promise.race([this.exited, late]);
    clock.abort();
    if (status === 'late') {
      this.#child.kill('SIGKILL');
      await this.exited;
      throw new Error(`${this.#name} did not end in ${timeoutMs} ms:\n${this.output}`);
    }
    return status;
  }

  /**
   * Ends the process: SIGTERM, and SIGKILL when that does not do. Notes its children's arguments
   * first.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ExitStatus> {
    if (this.isRunning && this.#child.pid !== undefined) {
      recordFamily(this.#child.pid);
      this.#child.kill(signal);
    }
    return await this.waitForExit(STOP_TIMEOUT_MS).catch(() => this.exited);
  }
}

/**
 * Starts a process and waits until it is ready; it is stopped when the scope ends, if not before.
 */
export async function startProcess(scope: Scope, options: StartOptions): Promise<RunningProcess> {
  const started = launch(options);
  atEnd(scope, async () => {
    await started.stop();
  });
  if (options.waitFor !== undefined) {
    try {
      await started.waitFor(options.waitFor, options.timeoutMs);
    } catch (error) {
      await started.stop();
      throw error;
    }
  }
  return started;
}

/** Runs a command to its end, whatever its exit status is. Rejects only when it takes too long. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  const { input, timeoutMs, ...rest } = options;
  const running = launch({ command, args, stdin: input !== undefined, ...rest });
  if (input !== undefined) {
    // The command may end without having read all of its input.
    running.stdin.on('error', () => undefined);
    running.stdin.end(input);
  }
  const status = await running.waitForExit(timeoutMs ?? COMMAND_TIMEOUT_MS);
  return { ...status, stdout: running.stdout, stderr: running.stderr };
}

/** Runs a command that must succeed, and gives its standard output. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await runCommand(command, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${command} ended with ${result.code ?? result.signal ?? 'no status'}:\n${result.stdout}${result.stderr}`,
    );
  }
  return result.stdout;
}

let stateDirectory: string | undefined;

/** Where daemons of this test process note refused PINs: nothing of a test may be in /var/lib. */
export function stateDirectoryOfTest(): string {
  if (stateDirectory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'cvst-'));
    stateDirectory = made;
    process.once('exit', () => {
      rmSync(made, { recursive: true, force: true });
    });
  }
  return stateDirectory;
}

function launch(options: StartOptions): RunningProcess {
  const args = [...(options.args ?? [])];
  const name = [options.command, ...args].join(' ');
  const child = spawn(options.command, args, {
    cwd: options.cwd,
    env: { ...process.env, STATE_DIRECTORY: stateDirectoryOfTest(), ...options.env },
    stdio: [
      options.stdin === true ? 'pipe' : 'ignore',
      'pipe',
      options.isHeard === false ? 'ignore' : 'pipe',
    ],
  });
  // Tools that make tokens take the PIN as an argument: only our own programs are held to the rule.
  return new RunningProcess(child, options.command === process.execPath ? name : options.command);
}

function keepBounded(kept: string, more: string): string {
  return (kept + more).slice(-MAX_OUTPUT_CHARS);
}

/** A socket file is there before anybody listens on it: only a connection tells. */
function isListening(
  target: { readonly path: string } | { readonly port: number },
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...target });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

/**
 * Records the arguments of a process and its descendants, and the environment of the descendants.
 */
function recordFamily(pid: number): void {
  recordText(`arguments of process ${pid}`, readProcFile(pid, 'cmdline'));
  for (const child of childrenOf(pid)) {
    recordText(`environment of process ${child}`, readProcFile(child, 'environ'));
    recordFamily(child);
  }
}

/** The process ids of the direct children of a process. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (candidate) =>
        /^PPid:\s*(\d+)$/m.exec(readProcFile(candidate, 'status'))?.[1] === String(pid),
    );
}

function readProcFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8').replaceAll('\0', '\n');
  } catch {
    return '';
  }
}
