// What people do with tokens: look at keys, make one. Runs in `clavigerd key`, never while serving.
// Each call starts a helper process of its own and ends it; PINs are sent once, after the same checks.

import { parsePublicJwk, type PublicJwk } from '../jose/public-jwk.js';
import { AppError } from '../lib/errors.js';
import { isMatchingToken, type KeyInfo, type TokenInfo } from '../token/messages.js';
import type { KeyContext } from './key-context.js';
import { assertTypeWorks, resolveModule } from './module-path.js';
import { assertLoginIsSafe } from './pin-guard.js';
import { tokenPinReader } from './pkcs11-key.js';
import type { Pkcs11Uri } from './pkcs11-uri.js';
import { TokenHelper } from './token-helper.js';
import { TokenSession, type NewKey } from './token-session.js';
import { DEFAULT_TOKEN_TIMEOUT_MS } from './token-supervisor.js';

/** Smartcards take minutes for an RSA-4096 key. */
const GENERATE_TIMEOUT_MS = 600_000;

export interface TokenContents {
  readonly token: TokenInfo;
  readonly keys: readonly KeyInfo[];
}

export interface TokenKey {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
  readonly jwk: PublicJwk;
}

/**
 * The tokens that match, with the keys they show. Without a login private keys mostly stay hidden,
 * and their public halves are listed.
 * @param login true logs in, to the one token that matches.
 * @throws AppError TOKEN_*, KEY_*
 */
export function listTokenContents(
  uri: Pkcs11Uri,
  login: boolean,
  context: KeyContext,
): Promise<TokenContents[]> {
  return withSession(uri, context, async (session) => {
    if (login) {
      const token = await openAndLogIn(session, uri, 'read', context);
      return [{ token, keys: await session.listKeys() }];
    }
    const tokens = (await session.listTokens()).filter((token) =>
      isMatchingToken(token, uri.token),
    );
    const contents: TokenContents[] = [];
    for (const token of tokens) {
      contents.push({ token, keys: await publicKeysOf(session, token) });
    }
    return contents;
  });
}

async function publicKeysOf(session: TokenSession, token: TokenInfo): Promise<KeyInfo[]> {
  if (!token.initialized) {
    return [];
  }
  await session.openToken({ slotId: token.slotId }, 'read');
  return session.listKeys();
}

/**
 * Makes a key pair in the one token that matches.
 * @throws AppError TOKEN_*, KEY_*; TOKEN_KEY_AMBIGUOUS when its label or ID is taken.
 */
export function generateTokenKey(
  uri: Pkcs11Uri,
  wanted: NewKey,
  context: KeyContext,
): Promise<TokenKey> {
  assertTypeWorks(resolveModule(uri, context.env), wanted.type);
  return withSession(uri, context, async (session) => {
    const token = await openAndLogIn(session, uri, 'write', context);
    const key = await session.generateKey(wanted, GENERATE_TIMEOUT_MS);
    return { token, key, jwk: parsePublicJwk(key.jwk) };
  });
}

/**
 * The public half of the one key that matches; logs in only when it does not show otherwise.
 * @throws AppError TOKEN_*, KEY_*
 */
export function findTokenKey(uri: Pkcs11Uri, context: KeyContext): Promise<TokenKey> {
  return withSession(uri, context, async (session) => {
    const token = await session.openToken(uri.token, 'read');
    const shown = (await session.listKeys()).filter((key) => isMatchingKey(key, uri));
    const [first, second] = shown;
    if (first?.jwk !== undefined && second === undefined) {
      return { token, key: first, jwk: parsePublicJwk(first.jwk) };
    }
    await logIn(session, token, uri, context);
    const key = await session.selectKey(uri.key);
    return { token, key, jwk: parsePublicJwk(key.jwk) };
  });
}

async function withSession<T>(
  uri: Pkcs11Uri,
  context: KeyContext,
  use: (session: TokenSession) => Promise<T>,
): Promise<T> {
  const module = resolveModule(uri, context.env);
  const helper = new TokenHelper(context.env, context.log);
  const session = new TokenSession(helper, context.tokenTimeoutMs ?? DEFAULT_TOKEN_TIMEOUT_MS);
  try {
    await session.load(module);
    return await use(session);
  } finally {
    await session.close();
  }
}

async function openAndLogIn(
  session: TokenSession,
  uri: Pkcs11Uri,
  access: 'read' | 'write',
  context: KeyContext,
): Promise<TokenInfo> {
  const token = await session.openToken(uri.token, access);
  await logIn(session, token, uri, context);
  return token;
}

async function logIn(
  session: TokenSession,
  token: TokenInfo,
  uri: Pkcs11Uri,
  context: KeyContext,
): Promise<void> {
  if (!token.loginRequired) {
    return;
  }
  assertLoginIsSafe(token);
  const pin = await tokenPinReader(uri, context)(token);
  try {
    await session.login(token, pin);
  } finally {
    pin.wipe();
  }
}

function isMatchingKey(key: KeyInfo, { key: wanted }: Pkcs11Uri): boolean {
  return (wanted.label ?? key.label) === key.label && (wanted.id ?? key.id) === key.id;
}

/** Refuses a PIN in a URI given as an argument, where every user of the machine can read it. @throws AppError KEY_URI */
export function assertNoPinValue(uri: Pkcs11Uri): void {
  if (uri.pinValue !== undefined) {
    throw new AppError('KEY_URI', 'pkcs11 URI: pin-value has no place on a command line', {
      hint: 'anybody can see the arguments of a process; use pin-source=file:/PATH',
    });
  }
}
