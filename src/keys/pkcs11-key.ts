// Runs in clavigerd and in `clavigerd key`: an account key in a PKCS#11 token, as the signing
// service uses it. Does not trust the token helper: its public key is parsed before it is used.

import { algorithmOfKey } from '../jose/algorithms.js';
import { parsePublicJwk, publicKeyOfJwk, type PublicJwk } from '../jose/public-jwk.js';
import type { Client, TokenAccountKey } from './account-key.js';
import type { KeyContext } from './key-context.js';
import { resolveModule } from './pkcs11/module-path.js';
import { isPinTrouble } from './pin/pin-refusal.js';
import { formatPkcs11Uri, parsePkcs11Uri } from './pkcs11/uri.js';
import { readPublicHalf } from './public-key-without-login.js';
import { isAskedOnTerminal, tokenLoginGuard } from './pin/token-pin.js';
import { startHelper } from './helper/helper-client.js';
import { TokenPool } from './helper/pool.js';
import type { SigningHelper } from './helper/ready-session.js';

/** The client of a command of `clavigerd key`, which signs for itself. */
const NOBODY: Client = { account: '', listener: '', connection: '' };

export interface Pkcs11Key extends TokenAccountKey {
  /** Process IDs of the token helpers that run. */
  readonly helperPids: readonly number[];
}

/**
 * Opens a key by its `pkcs11:` URI: starts its helpers, logs in, finds the key.
 * @param start starts a helper process; another one for tests
 * @throws AppError KEY_URI, KEY_PIN, TOKEN_*
 */
export async function openPkcs11Key(
  text: string,
  context: KeyContext,
  start: () => SigningHelper = () => startHelper(context),
): Promise<Pkcs11Key> {
  const uri = parsePkcs11Uri(text);
  const module = resolveModule(uri, context.env);
  const pool = new TokenPool({
    module,
    helpers: context.helpers ?? module.helpers,
    token: uri.token,
    key: uri.key,
    touchNoticeMs: context.touchNoticeMs,
    log: context.log,
    startHelper: start,
    guard: tokenLoginGuard(uri, context),
  });
  try {
    const servesLocked = context.servesLocked === true && !isAskedOnTerminal(text, context);
    const jwk = await startAndFindKey(pool, async () =>
      // A person who has typed the PIN learns at once that it is wrong.
      servesLocked ? readPublicHalf(start(), { uri, module, log: context.log }) : undefined,
    );
    const publicKey = publicKeyOfJwk(jwk);
    return {
      algorithm: algorithmOfKey(publicKey),
      jwk,
      publicKey,
      description: formatPkcs11Uri(uri),
      get helperPids(): readonly number[] {
        return pool.pids;
      },
      get isAvailable(): boolean {
        return pool.isAvailable;
      },
      wake: () => pool.start().then(() => undefined),
      sign: (input, signContext = { client: NOBODY }) => pool.sign(input, signContext),
      cancel: (client) => {
        pool.cancel(client);
      },
      close: () => pool.close(),
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** The public key of the token: after a login, or without one where the PIN is refused. */
async function startAndFindKey(
  pool: TokenPool,
  withoutLogin: () => Promise<PublicJwk | undefined>,
): Promise<PublicJwk> {
  try {
    return parsePublicJwk((await pool.start()).key.jwk);
  } catch (error) {
    const jwk = isPinTrouble(error) ? await withoutLogin() : undefined;
    if (jwk === undefined) {
      throw error;
    }
    return jwk;
  }
}
