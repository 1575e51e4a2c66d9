// From the `privkey` setting to an account key. Runs in the daemon, at start, before it listens.
// Trusts the setting, which comes from the administrator and never from a client.

import { AppError } from '../lib/errors.js';
import type { AccountKey } from './account-key.js';
import { openFileKey } from './file-key.js';
import type { KeyContext } from './key-context.js';
import { openPkcs11Key } from './pkcs11-key.js';
import { formatPkcs11Uri, isPkcs11Uri, parsePkcs11Uri } from './pkcs11-uri.js';

const FILE_SCHEME = 'file:';

/**
 * Opens the account key that `privkey` names: `pkcs11:` (RFC 7512) or `file:PATH` (PEM). A token is
 * logged in to here, so that a wrong PIN shows at start.
 * @throws AppError KEY_*, TOKEN_*, SYS_* or JOSE_UNSUPPORTED_KEY
 */
export async function openAccountKey(privkey: string, context: KeyContext): Promise<AccountKey> {
  if (isPkcs11Uri(privkey)) {
    return openPkcs11Key(privkey, context);
  }
  if (privkey.startsWith(FILE_SCHEME)) {
    return openFileKey(privkey.slice(FILE_SCHEME.length), context);
  }
  throw unsupported(privkey);
}

/**
 * The `privkey` setting as it may be shown, without a PIN. Nothing is opened.
 * @throws AppError KEY_UNSUPPORTED or KEY_URI
 */
export function describePrivkey(privkey: string): string {
  if (isPkcs11Uri(privkey)) {
    return formatPkcs11Uri(parsePkcs11Uri(privkey));
  }
  if (privkey.startsWith(FILE_SCHEME)) {
    return privkey;
  }
  throw unsupported(privkey);
}

/** Names the scheme at most: the rest may be anything, a secret pasted by mistake among it. */
function unsupported(privkey: string): AppError {
  const scheme = /^[a-z][a-z0-9+.-]{0,15}:/i.exec(privkey)?.[0];
  const problem = scheme === undefined ? 'no kind is named' : `${scheme} is not supported`;
  return new AppError('KEY_UNSUPPORTED', `privkey: ${problem}`, {
    hint: 'privkey is pkcs11:... (RFC 7512) or file:/PATH of a PEM file',
  });
}
