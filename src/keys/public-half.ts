// The public half of a key in a token that cannot be logged in to: public key objects and
// certificates show without a PIN on most tokens. Runs in the daemon, with a helper that is ended
// again.

import { parsePublicJwk, type PublicJwk } from '../jose/public-jwk.js';
import { printable } from '../lib/printable.js';
import { messageOf } from '../lib/errors.js';
import { DEFAULT_TOKEN_TIMEOUT_MS, type KeyContext } from './key-context.js';
import type { Pkcs11Module } from './pkcs11/module-path.js';
import type { Pkcs11Uri } from './pkcs11/uri.js';
import { HelperProcess } from './helper/helper-process.js';
import { HelperClient } from './helper/helper-client.js';

/** Undefined where the token does not show it, or shows several that match. Never throws. */
export async function readPublicHalf(
  uri: Pkcs11Uri,
  module: Pkcs11Module,
  context: KeyContext,
): Promise<PublicJwk | undefined> {
  const helper = new HelperProcess(context.env, context.log);
  const session = new HelperClient(helper, context.tokenTimeoutMs ?? DEFAULT_TOKEN_TIMEOUT_MS);
  try {
    await session.load(module);
    await session.openToken(uri.token, 'read');
    const { label, id } = uri.key;
    const [key, another] = (await session.listKeys()).filter(
      (shown) => (label ?? shown.label) === shown.label && (id ?? shown.id) === shown.id,
    );
    return key?.jwk === undefined || another !== undefined ? undefined : parsePublicJwk(key.jwk);
  } catch (error) {
    context.log('debug', `token: no public key without a login: ${printable(messageOf(error))}`);
    return undefined;
  } finally {
    await session.close();
  }
}
