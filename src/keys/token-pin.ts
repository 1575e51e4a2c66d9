// The PIN of a token as its URI and the configuration name it. Runs in the daemon and in commands.

import { systemClock } from '../lib/clock.js';
import { printable } from '../lib/printable.js';
import { Secret } from '../lib/secret.js';
import type { TokenInfo } from '../token/messages.js';
import type { KeyContext } from './key-context.js';
import { PinGovernor, type TokenPinSource } from './pin-governor.js';
import { formatPinSource, identifyPinSource } from './pin-identity.js';
import { FileLatchStore, MemoryLatchStore } from './pin-latch-store.js';
import { parsePinSource, readPin } from './pin-source.js';
import { isPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri } from './pkcs11-uri.js';

type UriPin = Pick<Pkcs11Uri, 'pinSource' | 'pinValue'>;

/**
 * Who decides on logins with the PIN of a URI: from its own pin-source, else the configured one, else the
 * terminal.
 * @throws AppError KEY_PIN when the source is none.
 */
export function tokenPinGovernor(uri: UriPin, context: KeyContext): PinGovernor {
  const { stateDirectory, log } = context;
  return new PinGovernor({
    source: tokenPinSource(uri, context),
    latches:
      stateDirectory === undefined ? new MemoryLatchStore() : new FileLatchStore(stateDirectory),
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
    // The governor wipes what it gets.
    const copy = (): Secret => pinValue.use((bytes) => new Secret(Buffer.from(bytes)));
    return { name, identify: () => name, read: () => Promise.resolve(copy()) };
  }
  const source = parsePinSource(pinSourceText(uri, context));
  const credentials = context.env['CREDENTIALS_DIRECTORY'];
  return {
    name: formatPinSource(source),
    identify: () => identifyPinSource(source, credentials),
    read: (token) =>
      // pkcs11js cannot pass the null PIN of C_Login; modules with a PIN pad take an empty one for it.
      source.kind === 'pinpad'
        ? Promise.resolve(new Secret(Buffer.alloc(0)))
        : readPin(source, questionFor(token), context),
  };
}

function pinSourceText(uri: UriPin, context: Pick<KeyContext, 'pinSource'>): string {
  return uri.pinSource ?? context.pinSource ?? 'prompt';
}

function questionFor({ label, serial }: TokenInfo): string {
  return `PIN of token "${printable(label)}" (serial ${printable(serial)})`;
}
