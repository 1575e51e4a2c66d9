// Runs in clavigerd and in `clavigerd key`: one token helper process, its start, its socket and its
// end. Does not trust the helper: its replies are parsed, must come in the order of the requests,
// and each has a deadline, after which the process is killed.

import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { AppError } from '../../lib/errors.js';
import { formatFrame, FrameSplitter } from '../../lib/frames.js';
import { systemTimers, type Timer, type Timers } from '../../lib/timers.js';
import { programFile } from '../../sys/package-files.js';
import {
  formatMessage,
  holdsSecret,
  parseReply,
  type HelperRequest,
} from '../../token/messages.js';
import type { KeyLog } from '../key-context.js';
import { helperEnvironment } from '../pkcs11/helper-environment.js';
import { captureOutput, type CapturedOutput } from './module-output.js';
import { NotBegunError, PendingRequests, type GoodResult } from './pending-requests.js';

const HELPER_PATH = programFile('token/helper.js');
/** How long a helper may take to finalize its module, and then to end, before it is killed. */
const CLOSE_TIMEOUT_MS = 2_000;
/** A process that is stuck in a driver survives even SIGKILL: it is waited for no longer. */
const KILL_TIMEOUT_MS = 5_000;

interface HelperProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly log: KeyLog;
  /** Another program in the place of the helper, for tests of what clavigerd does not believe. */
  readonly helperPath?: string;
  readonly timers?: Timers;
}

export class HelperProcess {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #frames = new FrameSplitter();
  readonly #exited: Promise<void>;
  readonly #output: CapturedOutput;
  readonly #log: KeyLog;
  readonly #timers: Timers;
  readonly #pending: PendingRequests;
  #nextId = 1;
  #ended = false;
  #closing = false;

  /** Starts the process. @throws AppError TOKEN_HELPER */
  constructor({ env, log, helperPath, timers }: HelperProcessOptions) {
    // In a session of its own: an interrupt typed at the terminal reaches the daemon alone, which
    // then ends the helper in order.
    const child = spawn(process.execPath, [helperPath ?? HELPER_PATH], {
      env: helperEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    // Handled by #exitOf; an error before that would have no handler and end the daemon.
    child.on('error', () => undefined);
    const socket = socketOf(child.stdio);
    if (socket === undefined) {
      throw new AppError('TOKEN_HELPER', 'token helper: cannot be started: no socket to it', {
        hint: 'this process has too many files open: see LimitNOFILE=, or ulimit -n',
      });
    }
    this.#child = child;
    this.#log = log;
    this.#timers = timers ?? systemTimers;
    this.#socket = socket;
    this.#pending = new PendingRequests({
      timers: this.#timers,
      onOverdue: (error) => {
        this.#fail(error);
      },
      onBusy: (isBusy) => {
        this.#setReferenced(isBusy);
      },
    });
    this.#exited = this.#exitOf(child);
    socket.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    // The exit of the process says the rest; without a handler EPIPE would be thrown.
    socket.on('error', () => undefined);
    this.#output = captureOutput([child.stdout, child.stderr], log);
    this.#setReferenced(false);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Sends a request; it may wait behind others. Its time runs from when the helper can begin with
   * it.
   * @param onBegin called then.
   * @throws AppError TOKEN_*; NotBegunError when the helper ended while working on an earlier one.
   */
  request(request: HelperRequest, timeoutMs: number, onBegin?: () => void): Promise<GoodResult> {
    if (this.#ended) {
      return Promise.reject(new NotBegunError('token helper: ended'));
    }
    if (holdsSecret(request)) {
      this.#output.silence();
    }
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      const body = formatMessage({ id, request });
      const frame = formatFrame(body);
      this.#pending.add({ id, timeoutMs, onBegin, resolve, reject });
      this.#socket.write(frame, () => {
        // It may have held a PIN.
        frame.fill(0);
        body.fill(0);
      });
    });
  }

  /**
   * Ends the process: lets it finish what it was sent, each request in its own time, then kills it.
   * Returns when the process has exited, or cannot be ended.
   * @param graceMs longest time for all that is still to be done.
   */
  async close(graceMs?: number): Promise<void> {
    this.#closing = true;
    this.#setReferenced(true);
    const grace = graceMs === undefined ? undefined : this.#killAfter(graceMs);
    if (!this.#ended) {
      await this.request({ op: 'close' }, CLOSE_TIMEOUT_MS).catch(() => undefined);
    }
    const end = this.#killAfter(CLOSE_TIMEOUT_MS);
    const hasEnded = await this.#hasExitedWithin(CLOSE_TIMEOUT_MS + KILL_TIMEOUT_MS);
    grace?.cancel();
    end.cancel();
    if (!hasEnded) {
      const pid = this.pid ?? 0;
      this.#log('error', `token helper: process ${pid} does not end, not even by SIGKILL`);
    }
  }

  /** SIGKILL: nothing else ends a process that is stuck in native code. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #killAfter(ms: number): Timer {
    return this.#timers.after(ms, () => {
      this.kill();
    });
  }

  #hasExitedWithin(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const late = this.#timers.after(ms, () => {
        resolve(false);
      });
      void this.#exited.then(() => {
        late.cancel();
        resolve(true);
      });
    });
  }

  #exitOf(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#onExit(`ended (${signal ?? `exit status ${code ?? 'unknown'}`})`);
        resolve();
      });
      child.once('error', (error) => {
        this.#onExit(`cannot be started: ${error.message}`);
        resolve();
      });
    });
  }

  #onData(chunk: Buffer): void {
    try {
      for (const body of this.#frames.push(chunk)) {
        const { id, result } = parseReply(body);
        this.#pending.settle(id, result);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new AppError('TOKEN_HELPER', String(error)));
    }
  }

  /** The process is of no more use: everything that waits gets the error. */
  #fail(error: Error): void {
    this.#ended = true;
    this.kill();
    this.#pending.fail(error, error);
  }

  #onExit(how: string): void {
    this.#ended = true;
    this.#socket.destroy();
    this.#pending.fail(
      new AppError('TOKEN_HELPER', `token helper: ${how}`, {
        hint: 'the next request starts a fresh one',
      }),
      new NotBegunError(`token helper: ${how}`),
    );
  }

  /** An idle helper must not keep clavigerd from ending; one that is waited for must. */
  #setReferenced(referenced: boolean): void {
    const change = referenced || this.#closing ? 'ref' : 'unref';
    this.#child[change]();
    this.#socket[change]();
  }
}

/** Node leaves the list out where no descriptor was left to make the socket with. */
function socketOf(stdio: ChildProcess['stdio'] | undefined): Socket | undefined {
  const socket = stdio?.[3];
  return socket instanceof Socket ? socket : undefined;
}
