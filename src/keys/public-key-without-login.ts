// Runs in clavigerd and `clavigerd key`: reads the public half of a key in a token that cannot be
// logged in to, for most tokens show public key objects and certificates without a PIN. Does not
// trust the token helper: the key is parsed.

import { parsePublicJwk, type PublicJwk } from '../jose/public-jwk.js';
import { printable } from '../lib/printable.js';
import { messageOf } from '../lib/errors.js';
import type { KeyLog } from './key-context.js';
import type { Pkcs11Module } from './pkcs11/module-path.js';
import type { Pkcs11Uri } from './pkcs11/uri.js';
import type { HelperClient } from './helper/helper-client.js';

interface PublicHalfOptions {
  readonly uri: Pick<Pkcs11Uri, 'token' | 'key'>;
  readonly module: Pkcs11Module;
  readonly log: KeyLog;
}

/**
 * Reads it with a helper of its own, which is ended. Undefined where the token does not show the
 * key, or shows several that match. Never rejects.
 */
export async function readPublicHalf(
  helper: Pick<HelperClient, 'load' | 'openToken' | 'listKeys' | 'close'>,
  { uri, module, log }: PublicHalfOptions,
): Promise<PublicJwk | undefined> {
  try {
    await helper.load(module);
    await helper.openToken(uri.token, 'read');
    const { label, id } = uri.key;
    const [key, another] = (await helper.listKeys()).filter(
      (shown) => (label ?? shown.label) === shown.label && (id ?? shown.id) === shown.id,
    );
    return key?.jwk === undefined || another !== undefined ? undefined : parsePublicJwk(key.jwk);
  } catch (error) {
    log('debug', `token: no public key without a login: ${printable(messageOf(error))}`);
    return undefined;
  } finally {
    await helper.close();
  }
}
