// Opens the keys of the accounts that the daemon serves, each by itself: a token that is away or
// slow delays its own account alone. Runs in clavigerd, at start; the only file that passes this
// process's environment to keys.

import type { AccountConfig } from '../../config/daemon/account-settings.js';
import { servedListeners, type ClavigerdConfig } from '../../config/daemon/config.js';
import type { Start } from '../../config/daemon/listen-settings.js';
import type { AccountKey } from '../../keys/account-key.js';
import type { KeyContext } from '../../keys/key-context.js';
import type { LoginAttempts } from '../../keys/pin/login-attempts.js';
import { openAccountKeys } from '../../keys/open-account-key.js';
import { isPinTrouble } from '../../keys/pin/pin-refusal.js';
import { isAskedOnTerminal } from '../../keys/pin/token-pin.js';
import { mayPass } from '../../keys/token-trouble.js';
import { systemClock } from '../../lib/clock.js';
import { hintLineOf, messageOf } from '../../lib/errors.js';
import type { ServedAccount } from '../../daemon/daemon.js';
import { LazyKey } from '../../daemon/lazy-key.js';
import type { Log } from '../../sys/log.js';
import { terminalPrompt } from '../terminal/prompt.js';

/**
 * The accounts that at least one listener serves; their keys are being opened when this returns.
 * @param attempts to be stopped before the keys are closed
 */
export function openServedAccounts(
  config: ClavigerdConfig,
  start: Start,
  log: Log,
  attempts: LoginAttempts,
): readonly ServedAccount[] {
  const served = servedListeners(config, start);
  const accounts = config.accounts.filter(({ name }) =>
    served.some((listen) => listen.account === name),
  );
  const prompt = terminalPrompt();
  return accounts.map((account) => {
    const context: KeyContext = {
      ...keyContext(account),
      prompt,
      log: (level, message) => {
        log.write(
          level,
          'key',
          accounts.length > 1 ? { account: account.name, message } : { message },
        );
      },
      stateDirectory: () => config.stateDirectory,
      attempts,
      servesLocked: start.kind === 'sockets',
    };
    const keys = new LazyKey(() => openTimed(account, context), systemClock);
    const opening = start.kind === 'stdio' ? keys.get() : openOrWait(keys, account, context);
    opening.catch(() => undefined); // whoever serves the account hears of it, a little later
    const listeners = served.filter((listen) => listen.account === account.name);
    return { account, listeners, keys, opening };
  });
}

async function openTimed({ privkeys }: AccountConfig, context: KeyContext): Promise<AccountKey> {
  const started = performance.now();
  const key = await openAccountKeys(privkeys, context);
  const ms = Math.round(performance.now() - started);
  context.log('debug', `${key.description}: opened in ${ms} ms, algorithm ${key.algorithm}`);
  return key;
}

/**
 * The key, or undefined where its token is away, locked or out of order: these may be temporary,
 * and a daemon that ended would be started again, with another try of the PIN. After a PIN was
 * typed by hand its error is thrown at once.
 */
async function openOrWait(
  keys: LazyKey,
  { privkeys }: AccountConfig,
  context: KeyContext,
): Promise<AccountKey | undefined> {
  try {
    return await keys.get();
  } catch (error) {
    const isTyped = privkeys.some((privkey) => isAskedOnTerminal(privkey, context));
    if (!mayPass(error) || (isTyped && isPinTrouble(error))) {
      throw error;
    }
    const hint = hintLineOf(error);
    context.log('error', hint === undefined ? messageOf(error) : `${messageOf(error)} (${hint})`);
    return undefined;
  }
}

function keyContext(account: AccountConfig) {
  return {
    env: process.env,
    helpers: account.helpers,
    signTimeoutMs: account.signTimeoutMs,
    touchNoticeMs: account.touchNoticeMs,
    pinSource: account.pinSource,
    pinentry: account.pinentryCommand,
    gpg: account.gpgCommand,
    openpgpKey: account.openpgpKey,
  };
}
