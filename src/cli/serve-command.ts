// `clavigerd` without a subcommand: configuration, log, key, then the daemon until a signal.

import { DEFAULT_CONFIG_PATH, parseClavigerdConfig } from '../config/clavigerd-config.js';
import type { ClavigerdConfig } from '../config/clavigerd-config.js';
import { specifierValues } from '../config/specifiers.js';
import type { AccountKey } from '../keys/account-key.js';
import type { KeyContext } from '../keys/key-context.js';
import { describePrivkey, openAccountKeys } from '../keys/open-account-key.js';
import { isPinTrouble } from '../keys/pin-guard.js';
import { parsePinSource } from '../keys/pin-source.js';
import { isAskedOnTerminal } from '../keys/token-pin.js';
import { mayPass } from '../keys/token-trouble.js';
import { systemClock } from '../lib/clock.js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { KeySupply } from '../signer/key-supply.js';
import { Log } from '../sys/log.js';
import { isJournal, takePassedSockets, type PassedSocket } from '../sys/systemd.js';
import { readConfigFile } from './config-file.js';
import { EXIT_OK } from './failure.js';
import { formatEffectiveConfig } from './effective-config.js';
import { readSpecifierEnvironment, readStateDirectory } from './process-environment.js';
import { writeStderr } from './standard-error.js';
import { terminalPrompt } from './terminal-prompt.js';

export interface ServeOptions {
  readonly config?: string;
  readonly privkey?: string;
  readonly socket?: string;
  readonly stdio?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly check?: boolean;
}

const STDERR_FD = 2;

/** Runs the daemon; gives the exit code. @throws AppError of any folder, before anything is served. */
export async function serve(options: ServeOptions): Promise<number> {
  const passed = options.stdio === true ? [] : takePassedSockets(process.env, process.pid);
  const config = loadConfig(options, passed);
  if (options.check === true) {
    process.stdout.write(formatEffectiveConfig(config));
    return EXIT_OK;
  }
  const log = new Log({
    program: 'clavigerd',
    clock: systemClock,
    writeStderr,
    journal: isJournal(process.env, STDERR_FD),
    quiet: config.quiet,
    debug: options.debug === true,
    file: config.logfile,
  });
  try {
    await serveWith(config, log, passed);
  } finally {
    log.close();
  }
  return EXIT_OK;
}

async function serveWith(
  config: ClavigerdConfig,
  log: Log,
  passed: readonly PassedSocket[],
): Promise<void> {
  const stopped = stopSignal(log);
  const isStdio = config.socket === undefined && passed.length === 0;
  const context = { ...keyContext(config, log), servesLocked: !isStdio };
  const keys = new KeySupply(() => openAccountKeys(config.privkeys, context), systemClock);
  const opening = isStdio ? keys.get() : openOrWait(keys, config, context);
  const serving = import('../signer/daemon.js'); // loads while the key is being opened
  const key = await Promise.race([opening, stopped.then(() => 'stopped' as const)]);
  if (key === 'stopped') {
    // A prompt or a slow token is not waited for: the end of this process ends them.
    log.notice('stopping', { reason: await stopped });
    return;
  }
  try {
    const { runDaemon, runStdio } = await serving;
    const daemon = { config, keys, key, log, userId: process.geteuid?.() ?? 0, stopped };
    await (isStdio ? runStdio(daemon, process.stdin, process.stdout) : runDaemon(daemon, passed));
  } finally {
    await keys.close();
  }
}

/**
 * The key, or undefined where its token is away, locked or out of order: that may pass, and a daemon that
 * ended over it would be started again, with another try of the PIN. Who typed a PIN is told at once.
 */
async function openOrWait(
  keys: KeySupply,
  config: ClavigerdConfig,
  context: KeyContext,
): Promise<AccountKey | undefined> {
  try {
    return await keys.get();
  } catch (error) {
    const isTyped = config.privkeys.some((privkey) => isAskedOnTerminal(privkey, context));
    if (!mayPass(error) || (isTyped && isPinTrouble(error))) {
      throw error;
    }
    const hint = isAppError(error) ? error.hint : undefined;
    context.log('error', hint === undefined ? messageOf(error) : `${messageOf(error)} (${hint})`);
    return undefined;
  }
}

function loadConfig(options: ServeOptions, passed: readonly PassedSocket[]): ClavigerdConfig {
  if (options.privkey?.includes('pin-value=') === true) {
    // Every user of the machine can read it there; it is not repeated.
    throw new AppError('CONFIG_USAGE', '--privkey: pin-value puts the PIN on the command line', {
      hint: 'use pin-source=file:/PATH, env:NAME or credential:NAME instead',
    });
  }
  const specifiers = specifierValues(readSpecifierEnvironment(process.env));
  const file = readConfigFile(options.config, DEFAULT_CONFIG_PATH, specifiers);
  const config = parseClavigerdConfig({
    source: file.path,
    text: file.text,
    commandLine: { privkey: options.privkey, socket: options.socket, quiet: options.quiet },
    specifiers,
    stateDirectory: readStateDirectory(process.env),
    hasOwnSocket: options.stdio === true || passed.length > 0,
  });
  assertUsableKey(config, file.path);
  return config;
}

/** Key settings that cannot work are a configuration problem, which --check tells too. */
function assertUsableKey({ privkeys, pinSource }: ClavigerdConfig, source: string): void {
  try {
    privkeys.forEach(describePrivkey);
    if (pinSource !== undefined) {
      parsePinSource(pinSource);
    }
  } catch (error) {
    const hint = isAppError(error) ? error.hint : undefined;
    throw new AppError('CONFIG_INVALID', `${source}: ${messageOf(error)}`, { hint, cause: error });
  }
}

function keyContext(config: ClavigerdConfig, log: Log): KeyContext {
  return {
    env: process.env,
    prompt: terminalPrompt(),
    log: (level, message) => {
      log.write(level, 'key', { message });
    },
    helpers: config.helpers,
    tokenTimeoutMs: config.signTimeoutMs,
    touchNoticeMs: config.touchNoticeMs,
    pinSource: config.pinSource,
    pinentry: config.pinentryCommand,
    stateDirectory: config.stateDirectory,
    gpg: config.gpgCommand,
    openpgpKey: config.openpgpKey,
  };
}

/** Resolves at INT or TERM. HUP opens the log anew; USR1 must have a handler, or Node opens its debugger. */
function stopSignal(log: Log): Promise<string> {
  process.on('SIGUSR1', () => {
    log.debug('signal-ignored', { signal: 'SIGUSR1' });
  });
  process.on('SIGHUP', () => {
    try {
      log.reopen();
    } catch (error) {
      log.error('log-reopen-failed', { reason: messageOf(error) });
    }
  });
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        resolve(signal);
      });
    }
  });
}
