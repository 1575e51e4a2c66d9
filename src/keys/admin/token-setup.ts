// Initialises a blank token, logs in its security officer, and changes or unblocks its PIN, for
// `clavigerd key`. A token that is initialised already is never initialised again, for that would
// destroy its keys. Each PIN is sent once.

import { AppError, isAppError } from '../../lib/errors.js';
import { Secret } from '../../lib/secret.js';
import { isMatchingToken, type TokenInfo } from '../../token/messages.js';
import { returnValueOf } from '../../token/token-error.js';
import { forCommand, withLoginGuard, withTokenAdmin, type AdminClient } from './admin-client.js';
import type { KeyContext } from '../key-context.js';
import type { LoginGuard } from '../pin/login-guard.js';
import type { TokenPinSource } from '../pin/pin-keeper.js';
import type { Pkcs11Uri } from '../pkcs11/uri.js';
import { loginGuard } from '../pin/token-pin.js';

/** The PINs of a token that is to be initialised. */
export interface FirstPins {
  readonly soPin: Secret;
  readonly pin: Secret;
}

interface PinChange {
  /**
   * `user`: with the present PIN; `so`: with the PIN of the security officer, when the user's is
   * locked.
   */
  readonly by: 'user' | 'so';
  readonly present: TokenPinSource;
  readonly readNew: (token: TokenInfo) => Promise<Secret>;
}

/**
 * Initialises the one blank token, under the label of the URI, and logs in to it.
 * @throws AppError TOKEN_NOT_FOUND when none is blank, or the one named is not; TOKEN_AMBIGUOUS
 *   when several are blank, or the label is another token's already; KEY_URI without a label
 */
export async function initialiseToken(
  admin: AdminClient,
  uri: Pkcs11Uri,
  firstPins: FirstPins,
  context: KeyContext,
): Promise<TokenInfo> {
  const { label, ...place } = uri.token;
  if (label === undefined) {
    throw new AppError('KEY_URI', 'token: a new token needs a label', {
      hint: 'name it by --token, or token= in the URI',
    });
  }
  const { slotId } = selectBlank(await admin.session.listTokens(), label, place);
  const made = await admin.initToken({ slotId, label, ...firstPins });
  const token = await admin.session.openToken({ slotId: made.slotId }, 'write');
  const pin: TokenPinSource = {
    name: 'the new PIN',
    mayAsk: false,
    identify: () => `the new PIN, set by process ${process.pid}`,
    read: () => Promise.resolve(firstPins.pin.use((bytes) => new Secret(Buffer.from(bytes)))),
  };
  await withLoginGuard(loginGuard(pin, 'user', forCommand(context)), (guard) =>
    guard.login(token, (sent) => admin.session.login(token, sent)),
  );
  return token;
}

function selectBlank(
  tokens: readonly TokenInfo[],
  label: string,
  place: Omit<Pkcs11Uri['token'], 'label'>,
): TokenInfo {
  const there = tokens.filter((token) => isMatchingToken(token, place));
  if (tokens.some((token) => token.initialized && token.label === label)) {
    throw new AppError(
      'TOKEN_AMBIGUOUS',
      `token: one with the label ${JSON.stringify(label)} is there already`,
      { hint: 'leave --init-token out to use it; a token is never initialised a second time' },
    );
  }
  const [first, second] = there.filter(({ initialized }) => !initialized);
  if (first === undefined) {
    throw new AppError('TOKEN_NOT_FOUND', 'token: none is blank', {
      hint:
        there.length === 0
          ? 'the module shows no token that matches'
          : 'tokens that are initialised stay as they are: doing it again would destroy their keys',
    });
  }
  if (second !== undefined) {
    throw new AppError('TOKEN_AMBIGUOUS', 'token: several are blank', {
      hint: `name one by slot-id= in the URI (${first.slotId}, ${second.slotId}, ...) or by its serial`,
    });
  }
  return first;
}

/**
 * Opens the one token that matches and logs in its security officer.
 * @throws AppError TOKEN_*, KEY_PIN*
 */
export async function openAsOfficer(
  admin: AdminClient,
  uri: Pkcs11Uri,
  soPin: TokenPinSource,
  context: KeyContext,
): Promise<TokenInfo> {
  const token = await admin.session.openToken(uri.token, 'write');
  await withLoginGuard(loginGuard(soPin, 'so', forCommand(context)), (guard) =>
    guard.login(token, (pin) => admin.logInOfficer(pin)),
  );
  return token;
}

/**
 * Changes the PIN of the one token that matches. One attempt.
 * @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED for the present PIN; TOKEN_FAILED for a
 *   new one that the token refuses; KEY_PIN*
 */
export function changeTokenPin(
  uri: Pkcs11Uri,
  change: PinChange,
  context: KeyContext,
): Promise<TokenInfo> {
  return withTokenAdmin(uri, context, (admin) => changePinWith(admin, uri, change, context));
}

/** The same with a helper that runs already. */
export async function changePinWith(
  admin: AdminClient,
  uri: Pkcs11Uri,
  { by, present, readNew }: PinChange,
  context: KeyContext,
): Promise<TokenInfo> {
  const token = await admin.session.openToken(uri.token, 'write');
  await withLoginGuard(loginGuard(present, by, forCommand(context)), async (guard) => {
    const change = by === 'so' ? unblockPin : changePin;
    await change({ admin, token, guard }, () => readNew(token));
  });
  return token;
}

interface Change {
  readonly admin: AdminClient;
  readonly token: TokenInfo;
  readonly guard: LoginGuard;
}

async function changePin(
  { admin, token, guard }: Change,
  readNew: () => Promise<Secret>,
): Promise<void> {
  await guard.login(token, (pin) => logInWith(admin, token, pin));
  await usePin(await readNew(), (next) =>
    guard.withProvenPin(token, (present) => admin.changePin(present, next)),
  );
}

/** Sets the PIN as security officer. For the PUK of a card PKCS#11 has no function. */
async function unblockPin(
  { admin, token, guard }: Change,
  readNew: () => Promise<Secret>,
): Promise<void> {
  try {
    await guard.login(token, (pin) => admin.logInOfficer(pin));
    await usePin(await readNew(), (next) => admin.unblockPin(next));
  } catch (error) {
    throw isAppError(error, 'TOKEN_FAILED') && error.hint === undefined
      ? new AppError(error.code, error.message, {
          hint: 'not every module lets a security officer set the PIN; with a PUK: ykman piv access unblock-pin, pkcs15-tool --unblock-pin',
          cause: error,
        })
      : error;
  }
}

async function usePin<T>(pin: Secret, use: (pin: Secret) => Promise<T>): Promise<T> {
  try {
    return await use(pin);
  } finally {
    pin.wipe();
  }
}

/**
 * Logs in before the change: that proves the present PIN, and some modules (OpenSC) change it only
 * then. An expired PIN can still be changed: PKCS#11 2.40 §5.1.6, CKR_PIN_EXPIRED.
 */
async function logInWith(
  { session }: AdminClient,
  token: TokenInfo,
  present: Secret,
): Promise<void> {
  try {
    await session.login(token, present);
  } catch (error) {
    if (returnValueOf(error) !== 'CKR_PIN_EXPIRED') {
      throw error;
    }
  }
}
