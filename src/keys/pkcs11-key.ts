// Runs in the daemon: an account key in a PKCS#11 token, as the signing service sees it.
// Trusts neither public key nor signature of the helper before they are checked.

import { algorithmOfKey } from '../jose/algorithms.js';
import { parsePublicJwk, publicKeyOfJwk } from '../jose/public-jwk.js';
import { printable } from '../lib/printable.js';
import type { Secret } from '../lib/secret.js';
import type { TokenInfo } from '../token/messages.js';
import type { AccountKey } from './account-key.js';
import type { KeyContext } from './key-context.js';
import { resolveModule } from './module-path.js';
import { parsePinSource, readPin } from './pin-source.js';
import { formatPkcs11Uri, parsePkcs11Uri, type Pkcs11Uri } from './pkcs11-uri.js';
import { DEFAULT_TOKEN_TIMEOUT_MS, TokenSupervisor } from './token-supervisor.js';

export interface Pkcs11Key extends AccountKey {
  /** Process ID of the token helper; undefined when none runs. */
  readonly helperPid: number | undefined;
}

/**
 * Opens a key by its `pkcs11:` URI: starts a helper, logs in, finds the key.
 * @throws AppError KEY_URI, KEY_PIN, TOKEN_*
 */
export async function openPkcs11Key(text: string, context: KeyContext): Promise<Pkcs11Key> {
  const uri = parsePkcs11Uri(text);
  const helper = new TokenSupervisor({
    module: resolveModule(uri, context.env),
    token: uri.token,
    key: uri.key,
    env: context.env,
    timeoutMs: context.tokenTimeoutMs ?? DEFAULT_TOKEN_TIMEOUT_MS,
    log: context.log,
    readPin: tokenPinReader(uri, context),
  });
  try {
    const { key } = await helper.start();
    const jwk = parsePublicJwk(key.jwk);
    const publicKey = publicKeyOfJwk(jwk);
    const algorithm = algorithmOfKey(publicKey);
    return {
      algorithm,
      jwk,
      publicKey,
      description: formatPkcs11Uri(uri),
      get helperPid(): number | undefined {
        return helper.pid;
      },
      sign: (input) => helper.sign(input),
      close: () => helper.close(),
    };
  } catch (error) {
    await helper.close();
    throw error;
  }
}

/**
 * Where the PIN of a URI comes from: its own pin-source, else the configured one, else the terminal.
 * @throws AppError KEY_PIN when the source is none.
 */
export function tokenPinReader(
  uri: Pick<Pkcs11Uri, 'pinSource' | 'pinValue'>,
  context: KeyContext,
): (token: TokenInfo) => Promise<Secret> {
  const { pinValue } = uri;
  if (pinValue !== undefined) {
    context.log(
      'warning',
      'pkcs11 URI: pin-value puts the PIN where it can be read; use pin-source',
    );
    return () => Promise.resolve(pinValue);
  }
  const source = parsePinSource(uri.pinSource ?? context.pinSource ?? 'prompt');
  return ({ label, serial }) => {
    const question = `PIN of token "${printable(label)}" (serial ${printable(serial)})`;
    return readPin(source, question, context);
  };
}
