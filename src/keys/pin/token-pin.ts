// Finds the PIN source of a token in its URI and the configuration, and makes its login guard. Runs
// in clavigerd and its commands.

import { systemClock } from '../../lib/clock.js';
import { Secret } from '../../lib/secret.js';
import { DEFAULT_SIGN_TIMEOUT_MS } from '../../lib/signing-times.js';
import type { KeyContext } from '../key-context.js';
import { LoginGuard } from './login-guard.js';
import type { TokenPinSource } from './pin-keeper.js';
import { formatPinSource, identifyPinSource } from './pin-identity.js';
import { LoginAttempts } from './login-attempts.js';
import type { PinRole } from './latch.js';
import { PinLatchStore } from './latch-store.js';
import { parsePinSource, readPin, type PinSource } from './pin-source.js';
import { nameOfToken } from './token-name.js';
import { isPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri } from '../pkcs11/uri.js';

type UriPin = Pick<Pkcs11Uri, 'pinSource' | 'pinValue'>;

/**
 * The guard of logins with the PIN of a URI: from its own pin-source, else the configured one, else
 * the terminal.
 * @throws AppError KEY_PIN, KEY_PIN_SOURCE for a source that cannot be parsed.
 */
export function tokenLoginGuard(uri: UriPin, context: KeyContext): LoginGuard {
  return loginGuard(tokenPinSource(uri, context), 'user', context);
}

/** The guard of logins with the PINs of one source. */
export function loginGuard(
  source: TokenPinSource,
  role: PinRole,
  { stateDirectory, attempts, signTimeoutMs, log }: KeyContext,
): LoginGuard {
  return new LoginGuard({
    source,
    latches: new PinLatchStore(stateDirectory?.() ?? '', role),
    attempts: attempts ?? new LoginAttempts(),
    lockWaitMs: signTimeoutMs ?? DEFAULT_SIGN_TIMEOUT_MS,
    log,
    clock: systemClock,
  });
}

/** True when a person is asked for the PIN on the terminal. @throws AppError KEY_URI */
export function isAskedOnTerminal(privkey: string, context: KeyContext): boolean {
  if (!isPkcs11Uri(privkey)) {
    return false;
  }
  const uri = parsePkcs11Uri(privkey);
  return uri.pinValue === undefined && pinSourceText(uri, context) === 'prompt';
}

function tokenPinSource(uri: UriPin, context: KeyContext): TokenPinSource {
  const { pinValue } = uri;
  if (pinValue !== undefined) {
    context.log(
      'warning',
      'pkcs11 URI: pin-value puts the PIN where it can be read; use pin-source',
    );
    const name = 'pin-value';
    // The guard wipes what it gets.
    const copy = (): Secret => pinValue.use((bytes) => new Secret(Buffer.from(bytes)));
    return { name, mayAsk: false, identify: () => name, read: () => Promise.resolve(copy()) };
  }
  return namedPinSource(parsePinSource(pinSourceText(uri, context)), 'PIN', context);
}

/**
 * A PIN of a token from a source.
 * @param what the prompt calls it: `SO PIN`.
 */
export function namedPinSource(
  source: PinSource,
  what: string,
  context: KeyContext,
): TokenPinSource {
  const credentials = context.env['CREDENTIALS_DIRECTORY'];
  return {
    name: formatPinSource(source),
    mayAsk: ['prompt', 'pinentry', 'command'].includes(source.kind),
    identify: () => identifyPinSource(source, credentials),
    read: (token) =>
      // PKCS#11 wants a null PIN here, which pkcs11js cannot pass; modules take an empty one too.
      source.kind === 'pinpad'
        ? Promise.resolve(new Secret(Buffer.alloc(0)))
        : readPin(source, `${what} of ${nameOfToken(token)}`, context),
  };
}

function pinSourceText(uri: UriPin, context: Pick<KeyContext, 'pinSource'>): string {
  return uri.pinSource ?? context.pinSource ?? 'prompt';
}
