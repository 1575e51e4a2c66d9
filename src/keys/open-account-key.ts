// Runs in clavigerd and in `clavigerd key`: from the setting `privkey` to an account key. Trusts
// the setting, which is the administrator's and never a client's.

import { systemTimers } from '../lib/timers.js';
import { AppError } from '../lib/errors.js';
import type { AccountKey } from './account-key.js';
import { openFileKey } from './software/file-key.js';
import { openGpgKey } from './software/gpg-key.js';
import type { KeyContext } from './key-context.js';
import { openOpenPgpKey } from './software/openpgp-key.js';
import { openPkcs11Key } from './pkcs11-key.js';
import { formatPkcs11Uri, isPkcs11Uri, parsePkcs11Uri } from './pkcs11/uri.js';

type Opener = (path: string, context: KeyContext) => Promise<AccountKey>;

/** Keys whose private half is loaded into this process; a path follows the colon. */
const OPENERS: ReadonlyMap<string, Opener> = new Map([
  ['file:', openFileKey],
  ['gpg:', openGpgKey],
  ['openpgp:', openOpenPgpKey],
]);

/**
 * Opens the account key that `privkey` names: `pkcs11:` (RFC 7512), `file:PATH` (PEM), `gpg:PATH`
 * or `openpgp:PATH`. Logs in to a token, so that a wrong PIN shows at the start.
 * @throws AppError KEY_*, TOKEN_*, SYS_* or JOSE_UNSUPPORTED_KEY
 */
export async function openAccountKey(privkey: string, context: KeyContext): Promise<AccountKey> {
  if (isPkcs11Uri(privkey)) {
    return openPkcs11Key(privkey, context);
  }
  const scheme = schemeOf(privkey);
  const open = OPENERS.get(scheme);
  if (open === undefined) {
    throw unsupported(privkey);
  }
  return open(privkey.slice(scheme.length), context);
}

/**
 * Opens the account key that all of `privkeys` name; a single one as `openAccountKey` does.
 * @throws AppError as `openAccountKey`; KEY_MISMATCH when they are different keys
 */
export async function openAccountKeys(
  privkeys: readonly string[],
  context: KeyContext,
): Promise<AccountKey> {
  const [first, second] = privkeys;
  if (first === undefined) {
    throw unsupported('');
  }
  if (second === undefined) {
    return openAccountKey(first, context);
  }
  const { openFailoverKey } = await import('./failover-key.js');
  return openFailoverKey({
    replicas: privkeys.map((privkey) => ({
      description: describePrivkey(privkey),
      open: () => openAccountKey(privkey, context),
    })),
    log: context.log,
    timers: systemTimers,
  });
}

/**
 * The setting `privkey` without a PIN, as it may be shown. Opens nothing.
 * @throws AppError KEY_UNSUPPORTED or KEY_URI
 */
export function describePrivkey(privkey: string): string {
  if (isPkcs11Uri(privkey)) {
    return formatPkcs11Uri(parsePkcs11Uri(privkey));
  }
  if (!OPENERS.has(schemeOf(privkey))) {
    throw unsupported(privkey);
  }
  return privkey;
}

/** Up to and with the first colon; empty where there is none. */
function schemeOf(privkey: string): string {
  return privkey.slice(0, privkey.indexOf(':') + 1);
}

/** Repeats the scheme at most: the rest may be a secret that was pasted by mistake. */
function unsupported(privkey: string): AppError {
  const scheme = /^[a-z][a-z0-9+.-]{0,15}:/i.exec(privkey)?.[0];
  const problem = scheme === undefined ? 'no kind is named' : `${scheme} is not supported`;
  return new AppError('KEY_UNSUPPORTED', `privkey: ${problem}`, {
    hint: 'privkey is pkcs11:... (RFC 7512), file:/PATH of a PEM file, gpg:/PATH or openpgp:/PATH',
  });
}
