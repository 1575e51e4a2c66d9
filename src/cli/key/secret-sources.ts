// Reads the secrets that a `clavigerd key` command needs besides the user's PIN: new PINs, the PIN
// of the security officer, passphrases of files. A new PIN that is typed is asked for twice. No
// secret is ever an argument of the command.

import type { KeyContext } from '../../keys/key-context.js';
import type { TokenPinSource } from '../../keys/pin/pin-keeper.js';
import { parsePinSource, readPin, type PinSource } from '../../keys/pin/pin-source.js';
import { namedPinSource } from '../../keys/pin/token-pin.js';
import { AppError, isAppError, messageOf } from '../../lib/errors.js';
import type { Secret } from '../../lib/secret.js';

/** Kinds of sources at which a person types. */
const TYPED: ReadonlySet<string> = new Set(['prompt', 'pinentry']);

/** The name of an option (`so-pin-source`) and its value; undefined means the terminal. */
interface PinOption {
  readonly option: string;
  readonly source: string | undefined;
}

/**
 * @throws AppError CONFIG_USAGE for a source that cannot be parsed; KEY_PIN, KEY_PIN_SOURCE, SYS_*
 */
export function readPinFrom(
  option: PinOption,
  question: string,
  context: KeyContext,
): Promise<Secret> {
  return readPin(parseOption(option), question, context);
}

/**
 * The source of a PIN for a login.
 * @param what the prompt calls it: `SO PIN`.
 * @throws AppError CONFIG_USAGE for a source that cannot be parsed
 */
export function tokenPinFrom(option: PinOption, what: string, context: KeyContext): TokenPinSource {
  return namedPinSource(parseOption(option), what, context);
}

/**
 * Reads a PIN to be set.
 * @throws AppError CONFIG_USAGE for a source that cannot be parsed; KEY_PIN, also when the two
 *   answers differ; KEY_PIN_SOURCE; SYS_*
 */
export async function readNewPin(
  option: PinOption,
  question: string,
  context: KeyContext,
): Promise<Secret> {
  const parsed = parseOption(option);
  const pin = await readPin(parsed, question, context);
  if (!TYPED.has(parsed.kind)) {
    return pin;
  }
  const again = await readPin(parsed, `${question}, once more`, context);
  const same = pin.use((bytes) => again.use((others) => bytes.equals(others)));
  again.wipe();
  if (!same) {
    pin.wipe();
    throw new AppError('KEY_PIN', 'PIN: the two answers differ', { hint: 'nothing was changed' });
  }
  return pin;
}

/** Errors name the option, where those of a setting name `pin-source`. */
function parseOption({ option, source }: PinOption): PinSource {
  try {
    return parsePinSource(source ?? 'prompt', `--${option}`);
  } catch (error) {
    const hint = isAppError(error) ? error.hint : undefined;
    throw new AppError('CONFIG_USAGE', messageOf(error), { hint, cause: error });
  }
}
