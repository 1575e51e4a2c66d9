// Gets the secrets a command needs besides the usual PIN: new ones, that of the security officer,
// passphrases of files. A new PIN that is typed is asked for twice. No PIN is ever an argument.

import type { KeyContext } from '../../keys/key-context.js';
import type { TokenPinSource } from '../../keys/pin/pin-keeper.js';
import { parsePinSource, readPin, type PinSource } from '../../keys/pin/pin-source.js';
import { namedPinSource } from '../../keys/pin/token-pin.js';
import { AppError, isAppError, messageOf } from '../../lib/errors.js';
import type { Secret } from '../../lib/secret.js';

/** Sources at which a person types. */
const TYPED: ReadonlySet<string> = new Set(['prompt', 'pinentry']);

/** An option, `so-pin-source`, and what it says; undefined is the terminal. */
export interface PinOption {
  readonly option: string;
  readonly source: string | undefined;
}

/** @throws AppError CONFIG_USAGE for a source that is none, KEY_PIN, KEY_PIN_SOURCE, SYS_* */
export function readPinFrom(
  option: PinOption,
  question: string,
  context: KeyContext,
): Promise<Secret> {
  return readPin(parseOption(option), question, context);
}

/**
 * The PIN of a login that is not the usual one.
 * @param what is asked for, where a person is: `SO PIN`.
 * @throws AppError CONFIG_USAGE for a source that is none
 */
export function tokenPinFrom(option: PinOption, what: string, context: KeyContext): TokenPinSource {
  return namedPinSource(parseOption(option), what, context);
}

/**
 * The PIN to be set.
 * @throws AppError CONFIG_USAGE for a source that is none; KEY_PIN, also when the two answers
 *   differ; SYS_*
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

/** A source of the command line is told as the option that it is. */
function parseOption({ option, source }: PinOption): PinSource {
  try {
    return parsePinSource(source ?? 'prompt');
  } catch (error) {
    const hint = isAppError(error) ? error.hint : undefined;
    const problem = messageOf(error).replace(/^pin-source: /, '');
    throw new AppError('CONFIG_USAGE', `--${option}: ${problem}`, {
      hint: hint?.replace(/^pin-source is/, `--${option} is`),
      cause: error,
    });
  }
}
