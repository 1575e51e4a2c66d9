// Runs a command that prints a PIN or passphrase: `pin-source=|COMMAND`. Runs in clavigerd and its
// commands. The command comes from the configuration and is trusted with the secret. No shell;
// bounded in time and size. Its standard error is discarded, for it may hold the PIN.

import { spawn, type ChildProcess } from 'node:child_process';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { Secret } from '../../lib/secret.js';
import { locateProgram, PROGRAM_PATH } from '../../sys/program.js';
import { withoutLineEnd } from './pin-line.js';
import { WipedOutput } from './wiped-output.js';

const MAX_OUTPUT_BYTES = 4 * 1024;
/** Variables that make Node, the loader, or a shell run what they name. */
const FOREIGN_CODE = /^(?:NODE_OPTIONS|LD_.*|IFS|CDPATH|ENV|BASH_ENV|BASH_FUNC_.*)$/;
/** A password manager may prompt a person. */
const COMMAND_TIMEOUT_MS = 120_000;

/**
 * Runs a command; what it prints, without one line end, is the secret.
 * @throws AppError KEY_PIN when it cannot be started, fails, prints too much or takes too long
 */
export async function readPinFromCommand(
  words: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
  timeoutMs = COMMAND_TIMEOUT_MS,
): Promise<Secret> {
  const [program, ...args] = words;
  // A group of its own, so that what the command starts ends with it.
  const child = spawn(located(program), args, {
    env: environmentOfCommand(env),
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  const output = new WipedOutput(MAX_OUTPUT_BYTES);
  try {
    await endOf(child, output, program, timeoutMs);
    const bytes = output.take();
    const secret = new Secret(Buffer.from(withoutLineEnd(bytes)));
    bytes.fill(0);
    return secret;
  } finally {
    output.wipe();
    endGroup(child);
  }
}

function endOf(
  child: ChildProcess,
  output: WipedOutput,
  program: string,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(failure(program, `has not ended within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!output.push(chunk)) {
        reject(failure(program, `printed more than ${MAX_OUTPUT_BYTES} bytes`));
      }
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(failure(program, `cannot be started: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) {
        resolve();
      } else {
        reject(failure(program, `ended with ${signal ?? `exit status ${code ?? 'unknown'}`}`));
      }
    });
  });
}

function endGroup({ pid, stdout }: ChildProcess): void {
  stdout?.destroy();
  if (pid === undefined) {
    return;
  }
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // no process is left in the group
  }
}

/**
 * The environment without variables that make Node, the loader or a shell run foreign code, and
 * without those that systemd sets for the service itself. PATH is a fixed one.
 */
function environmentOfCommand(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !FOREIGN_CODE.test(name) && !/^(?:LISTEN_.*|NOTIFY_SOCKET|WATCHDOG_.*)$/.test(name),
  );
  return { ...Object.fromEntries(kept), PATH: PROGRAM_PATH };
}

function located(program: string): string {
  try {
    return locateProgram(program);
  } catch (error) {
    throw failure(program, `cannot be started: ${messageOf(error)}`);
  }
}

function failure(program: string, problem: string): AppError {
  return new AppError('KEY_PIN', `PIN: command ${printable(program, 200)}: ${problem}`, {
    hint: 'run the command of pin-source by hand, as the same user; it must print the PIN alone. What is not in /usr/bin or /bin has to be named by its absolute path',
  });
}
