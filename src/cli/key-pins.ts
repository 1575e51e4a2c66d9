// Gets the PINs a command needs besides the usual one: new ones, and that of the security officer.
// A new PIN that is typed is asked for twice. No PIN is ever an argument.

import type { KeyContext } from '../keys/key-context.js';
import { parsePinSource, readPin } from '../keys/pin-source.js';
import { AppError } from '../lib/errors.js';
import type { Secret } from '../lib/secret.js';

/** Sources at which a person types. */
const TYPED: ReadonlySet<string> = new Set(['prompt', 'pinentry']);

/** @param source as `--pin-source`; default: the terminal. @throws AppError KEY_PIN, SYS_* */
export function readPinFrom(
  source: string | undefined,
  question: string,
  context: KeyContext,
): Promise<Secret> {
  return readPin(parsePinSource(source ?? 'prompt'), question, context);
}

/**
 * The PIN to be set.
 * @throws AppError KEY_PIN, also when the two answers differ; SYS_*
 */
export async function readNewPin(
  source: string | undefined,
  question: string,
  context: KeyContext,
): Promise<Secret> {
  const parsed = parsePinSource(source ?? 'prompt');
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
