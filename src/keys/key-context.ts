// What the sources of account keys need from the process around them. Everything foreign comes in
// as a parameter, so that only cli touches process.env and the terminal.

import type { Secret } from '../lib/secret.js';
import type { LogLevel } from '../sys/log.js';
import type { LoginAttempts } from './pin/login-attempts.js';

/** Writes one line to the log. Messages hold no secret; control characters are escaped already. */
export type KeyLog = (level: LogLevel, message: string) => void;

/** Asks a person for a secret on the terminal, without echo. @throws AppError KEY_PIN */
export type SecretPrompt = (question: string) => Promise<Secret>;

export interface KeyContext {
  /** `process.env` itself: a variable that holds a PIN is deleted from it once read. */
  readonly env: NodeJS.ProcessEnv;
  /** Absent where nobody can be asked: no terminal. */
  readonly prompt?: SecretPrompt | undefined;
  readonly log: KeyLog;
  /** Longest time one operation of a token may take; default `DEFAULT_SIGN_TIMEOUT_MS`. */
  readonly signTimeoutMs?: number | undefined;
  /** Helper processes for a token; default: as the profile of its module says. */
  readonly helpers?: number | undefined;
  /** When a signature counts as waiting for a touch; default `DEFAULT_TOUCH_NOTICE_MS`, 3 s. */
  readonly touchNoticeMs?: number | undefined;
  /** Where a PIN or passphrase comes from, unless the key's URI says; default: the prompt. */
  readonly pinSource?: string | undefined;
  /**
   * Where attempts with PINs are noted; asked when one is due, and without one none is made.
   * @throws AppError CONFIG_*
   */
  readonly stateDirectory?: (() => string) | undefined;
  /** The logins of this process, for whoever stops it; default: nobody waits for them. */
  readonly attempts?: LoginAttempts | undefined;
  /**
   * True opens a key of a token whose PIN is refused, where its public half shows without a login.
   */
  readonly servesLocked?: boolean | undefined;
  /** Program and options for `pin-source=pinentry`; default `pinentry`. */
  readonly pinentry?: readonly [string, ...string[]] | undefined;
  /** Program and options of gpg, for `gpg:` keys; default `gpg --quiet`. */
  readonly gpg?: readonly [string, ...string[]] | undefined;
  /** Longest time gpg may take, a person's answer to pinentry included; default 120 s. */
  readonly gpgTimeoutMs?: number | undefined;
  /** File with the OpenPGP secret key for `openpgp:` keys. */
  readonly openpgpKey?: string | undefined;
}
