// What account keys need from the process that opens them, clavigerd or a command: settings, log,
// prompt, environment. All of it is passed in, so that only cli uses process.env and the terminal.
// Types alone.

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
  /** Absent where there is no terminal. */
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
   * The directory where login attempts are recorded; called before an attempt. Where it is absent,
   * no attempt is made.
   * @throws AppError CONFIG_*
   */
  readonly stateDirectory?: (() => string) | undefined;
  /** The logins of this process, which its end waits for; default: it does not wait. */
  readonly attempts?: LoginAttempts | undefined;
  /**
   * True opens a key in a token that refuses the PIN, if the token shows the public half without a
   * login.
   */
  readonly servesLocked?: boolean | undefined;
  /** Program and options for `pin-source=pinentry`; default `pinentry`. */
  readonly pinentry?: readonly [string, ...string[]] | undefined;
  /** Program and options of gpg, for `gpg:` keys; default `gpg --quiet`. */
  readonly gpg?: readonly [string, ...string[]] | undefined;
  /** Longest time for gpg, with the time a person takes to answer pinentry; default 120 s. */
  readonly gpgTimeoutMs?: number | undefined;
  /** File with the OpenPGP secret key for `openpgp:` keys. */
  readonly openpgpKey?: string | undefined;
}
