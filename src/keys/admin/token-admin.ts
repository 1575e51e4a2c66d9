// Lists the keys of tokens, finds one, and generates one, for `clavigerd key`. The public key that
// a token shows is not trusted before it is parsed: it is printed, and written into requests.

import { parsePublicJwk, type PublicJwk } from '../../jose/public-jwk.js';
import { AppError } from '../../lib/errors.js';
import { isMatchingToken, type KeyInfo, type TokenInfo } from '../../token/messages.js';
import {
  GENERATE_TIMEOUT_MS,
  isMatchingKey,
  logIn,
  openAndLogIn,
  withTokenAdmin,
  type Track,
} from './admin-client.js';
import type { KeyContext } from '../key-context.js';
import { assertTypeWorks, resolveModule } from '../pkcs11/module-path.js';
import type { TokenPinSource } from '../pin/pin-keeper.js';
import type { Pkcs11Uri } from '../pkcs11/uri.js';
import type { NewKey, HelperClient } from '../helper/helper-client.js';
import { initialiseToken, openAsOfficer, type FirstPins } from './token-setup.js';

export interface TokenContents {
  readonly token: TokenInfo;
  readonly keys: readonly KeyInfo[];
}

/** `unseen`: without a login the token shows no private keys, and there was none. */
export type PrivateHalf = 'present' | 'absent' | 'unseen';

export interface TokenKey {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
  readonly jwk: PublicJwk;
  readonly privateHalf: PrivateHalf;
}

/**
 * The tokens that match, each with its keys that match. Most tokens hide private keys before a
 * login; their public keys are listed then.
 * @param login true logs in to the one token that matches.
 * @throws AppError TOKEN_*, KEY_*; TOKEN_NOT_FOUND when the URI names a token and none matches
 */
export function listTokenContents(
  uri: Pkcs11Uri,
  login: boolean,
  context: KeyContext,
): Promise<TokenContents[]> {
  return withTokenAdmin(uri, context, ({ session }) =>
    listContentsWith(session, uri, login, context),
  );
}

/** The same with a helper that runs already. */
export async function listContentsWith(
  session: HelperClient,
  uri: Pkcs11Uri,
  login: boolean,
  context: KeyContext,
): Promise<TokenContents[]> {
  if (login) {
    const token = await openAndLogIn(session, uri, 'read', context);
    return [{ token, keys: await matchingKeys(session, uri) }];
  }
  const tokens = (await session.listTokens()).filter((token) => isMatchingToken(token, uri.token));
  if (tokens.length === 0 && Object.values(uri.token).some((value) => value !== undefined)) {
    // Fails with a table of the tokens that exist.
    await session.openToken(uri.token, 'read');
  }
  const contents: TokenContents[] = [];
  for (const token of tokens) {
    contents.push({ token, keys: await publicKeysOf(session, token, uri) });
  }
  return contents;
}

async function publicKeysOf(
  session: HelperClient,
  token: TokenInfo,
  uri: Pkcs11Uri,
): Promise<KeyInfo[]> {
  if (!token.initialized) {
    return [];
  }
  await session.openToken({ slotId: token.slotId }, 'read');
  return matchingKeys(session, uri);
}

async function matchingKeys(session: HelperClient, uri: Pkcs11Uri): Promise<KeyInfo[]> {
  return (await session.listKeys()).filter((key) => isMatchingKey(key, uri));
}

/** A key to be generated. */
interface KeyOrder extends NewKey {
  /** For a blank token: it is initialised first, with these PINs and the label of the URI. */
  readonly firstPins?: FirstPins | undefined;
  /** Logs in as the security officer in place of the user; ykcs11 generates keys only then. */
  readonly soPin?: TokenPinSource | undefined;
  readonly track?: Track;
}

/**
 * Generates a key pair in the one token that matches.
 * @throws AppError TOKEN_*, KEY_*; TOKEN_KEY_AMBIGUOUS when its label or ID is taken.
 */
export function generateTokenKey(
  uri: Pkcs11Uri,
  { firstPins, soPin, track = (work) => work(), ...wanted }: KeyOrder,
  context: KeyContext,
): Promise<TokenKey> {
  assertTypeWorks(resolveModule(uri, context.env), wanted.type);
  return withTokenAdmin(uri, context, async (admin) => {
    const token =
      soPin !== undefined
        ? await openAsOfficer(admin, uri, soPin, context)
        : firstPins !== undefined
          ? await initialiseToken(admin, uri, firstPins, context)
          : await openAndLogIn(admin.session, uri, 'write', context);
    const key = await track(() => admin.session.generateKey(wanted, GENERATE_TIMEOUT_MS));
    return { token, key, jwk: parsePublicJwk(key.jwk), privateHalf: 'present' };
  });
}

/**
 * The public key of the one key that matches. Logs in only if the token does not show it otherwise.
 * @param login true logs in at once, to see whether the token has the private key.
 * @throws AppError TOKEN_*, KEY_*
 */
export function findTokenKey(
  uri: Pkcs11Uri,
  login: boolean,
  context: KeyContext,
): Promise<TokenKey> {
  return withTokenAdmin(uri, context, ({ session }) => findKeyWith(session, uri, login, context));
}

/** The same with a helper that runs already. */
export async function findKeyWith(
  session: HelperClient,
  uri: Pkcs11Uri,
  login: boolean,
  context: KeyContext,
): Promise<TokenKey> {
  const token = await session.openToken(uri.token, 'read');
  if (!login) {
    const shown = onlyKey(await matchingKeys(session, uri));
    if (shown !== undefined) {
      const hidden = token.loginRequired ? 'unseen' : 'absent';
      return { token, ...shown, privateHalf: shown.key.hasPrivate ? 'present' : hidden };
    }
  }
  await logIn(session, token, uri, context);
  const found = onlyKey(await matchingKeys(session, uri));
  if (found?.key.hasPrivate === false) {
    return { token, ...found, privateHalf: 'absent' };
  }
  const key = await session.selectKey(uri.key);
  return { token, key, jwk: parsePublicJwk(key.jwk), privateHalf: 'present' };
}

function onlyKey([first, second]: readonly KeyInfo[]): Pick<TokenKey, 'key' | 'jwk'> | undefined {
  return first?.jwk === undefined || second !== undefined
    ? undefined
    : { key: first, jwk: parsePublicJwk(first.jwk) };
}

/**
 * Refuses a PIN in a URI of the command line, which every user of the machine can read.
 * @throws AppError KEY_URI
 */
export function assertNoPinValue(uri: Pkcs11Uri): void {
  if (uri.pinValue !== undefined) {
    throw new AppError('KEY_URI', 'pkcs11 URI: pin-value has no place on a command line', {
      hint: 'anybody can see the arguments of a process; use pin-source=file:/PATH',
    });
  }
}
