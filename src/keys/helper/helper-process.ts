// One token helper process, seen from the daemon: its socket, its requests in order, its end.
// Distrusts what it says: replies are parsed, must come in order, and each has a deadline.

import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../lib/errors.js';
import { formatFrame, FrameSplitter } from '../../lib/frames.js';
import { programFile } from '../../sys/package-files.js';
import {
  formatMessage,
  holdsSecret,
  parseReply,
  type HelperRequest,
  type HelperResult,
} from '../../token/messages.js';
import { errorOfResult } from '../../token/token-error.js';
import { helperEnvironment } from '../pkcs11/helper-environment.js';
import { captureOutput, type CapturedOutput } from './output.js';
import type { KeyLog } from '../key-context.js';

const HELPER_PATH = programFile('token/helper.js');
/** How long a helper may take to finalize its module, and then to end, before it is killed. */
const CLOSE_TIMEOUT_MS = 2_000;
/** A process that the kernel does not end even by SIGKILL, stuck in a driver, is not waited for. */
const KILL_TIMEOUT_MS = 5_000;

/** Results that are not errors; those are thrown. */
export type GoodResult = Exclude<HelperResult, { kind: 'error' }>;

interface PendingRequest {
  readonly id: number;
  readonly timeoutMs: number;
  readonly onBegin: (() => void) | undefined;
  readonly resolve: (result: GoodResult) => void;
  readonly reject: (error: Error) => void;
}

/** The helper ended before it came to this request: another helper may do it. */
export class NotBegunError extends AppError {
  constructor(message: string) {
    super('TOKEN_HELPER', message);
  }
}

export class HelperProcess {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #frames = new FrameSplitter();
  readonly #exited: Promise<void>;
  readonly #output: CapturedOutput;
  readonly #log: KeyLog;
  /** In the order sent; the helper works on the first. */
  readonly #pending: PendingRequest[] = [];
  #nextId = 1;
  #deadline: NodeJS.Timeout | undefined;
  #ended = false;
  #closing = false;

  /**
   * Starts the process.
   * @param helperPath another program in the helper's place, for tests of what is not believed.
   */
  constructor(env: NodeJS.ProcessEnv, log: KeyLog, helperPath = HELPER_PATH) {
    // A session of its own: an interrupt typed at the terminal is for the daemon, which then ends
    // it.
    const child = spawn(process.execPath, [helperPath], {
      env: helperEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    // Told of once more below; without a handler from the first moment it would end the daemon.
    child.on('error', () => undefined);
    const socket = socketOf(child.stdio);
    if (socket === undefined) {
      throw new AppError('TOKEN_HELPER', 'token helper: cannot be started: no socket to it', {
        hint: 'this process has too many files open: see LimitNOFILE=, or ulimit -n',
      });
    }
    this.#child = child;
    this.#log = log;
    this.#socket = socket;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#onExit(`ended (${signal ?? `exit status ${code ?? 'unknown'}`})`);
        resolve();
      });
      child.once('error', (error) => {
        this.#onExit(`cannot be started: ${error.message}`);
        resolve();
      });
    });
    socket.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    // The exit event tells the rest; without a handler EPIPE would be thrown.
    socket.on('error', () => undefined);
    this.#output = captureOutput([child.stdout, child.stderr], log);
    this.#setReferenced(false);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Sends a request; it may wait behind others. Its time runs from when the helper can come to it.
   * @param onBegin told when that is.
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
      this.#pending.push({ id, timeoutMs, onBegin, resolve, reject });
      if (this.#pending.length === 1) {
        this.#setReferenced(true);
        this.#beginNext();
      }
      this.#socket.write(frame, () => {
        // It may have held a PIN.
        frame.fill(0);
        body.fill(0);
      });
    });
  }

  /**
   * Ends the process: lets it finish what was asked, each in its own time, then by SIGKILL. Returns
   * when it is gone, or cannot be ended.
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
    const lost = new AbortController();
    const hasEnded = await Promise.race([
      this.#exited.then(() => true),
      sleep(CLOSE_TIMEOUT_MS + KILL_TIMEOUT_MS, false, { signal: lost.signal }),
    ]);
    lost.abort();
    clearTimeout(grace);
    clearTimeout(end);
    if (!hasEnded) {
      this.#log(
        'error',
        `token helper: process ${this.pid ?? 0} does not end, not even by SIGKILL`,
      );
    }
  }

  #killAfter(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.kill();
    }, ms);
  }

  /** SIGKILL: nothing else ends a process that is stuck in native code. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #onData(chunk: Buffer): void {
    try {
      for (const body of this.#frames.push(chunk)) {
        const { id, result } = parseReply(body);
        const [request] = this.#pending;
        if (request?.id !== id) {
          throw new AppError('TOKEN_HELPER', 'token helper: replied out of turn');
        }
        this.#pending.shift();
        this.#beginNext();
        if (result.kind === 'error') {
          request.reject(errorOfResult(result));
        } else {
          request.resolve(result);
        }
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new AppError('TOKEN_HELPER', String(error)));
    }
  }

  /** The helper comes to the next request now: its clock starts. */
  #beginNext(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    const [head] = this.#pending;
    if (head === undefined) {
      this.#setReferenced(false);
      return;
    }
    head.onBegin?.();
    this.#deadline = setTimeout(() => {
      const seconds = head.timeoutMs / 1000;
      this.#fail(
        new AppError('TOKEN_TIMEOUT', `token: no answer within ${seconds} s`, {
          hint: 'the token helper was killed; the next request starts a fresh one',
        }),
      );
    }, head.timeoutMs);
  }

  /** The process is of no more use: everything that waits gets the error. */
  #fail(error: Error): void {
    this.#ended = true;
    this.kill();
    this.#settle(error, error);
  }

  #onExit(how: string): void {
    this.#ended = true;
    this.#socket.destroy();
    this.#settle(
      new AppError('TOKEN_HELPER', `token helper: ${how}`, {
        hint: 'the next request starts a fresh one',
      }),
      new NotBegunError(`token helper: ${how}`),
    );
  }

  #settle(headError: Error, othersError: Error): void {
    clearTimeout(this.#deadline);
    const [head, ...others] = this.#pending.splice(0);
    head?.reject(headError);
    for (const request of others) {
      request.reject(othersError);
    }
  }

  /** An idle helper must not keep its parent from ending; one that is waited for must. */
  #setReferenced(referenced: boolean): void {
    const change = referenced || this.#closing ? 'ref' : 'unref';
    this.#child[change]();
    this.#socket[change]();
  }
}

/** The list is not there at all where there was no descriptor left to make it with. */
function socketOf(stdio: ChildProcess['stdio'] | undefined): Socket | undefined {
  const socket = stdio?.[3];
  return socket instanceof Socket ? socket : undefined;
}
