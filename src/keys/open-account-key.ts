// From the `privkey` setting to an account key. Runs in the daemon, at start, before it listens.
// Trusts the setting, which comes from the administrator and never from a client.

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

/** Keys that end up in this process; what follows the colon is a path. */
const OPENERS: ReadonlyMap<string, Opener> = new Map([
  ['file:', openFileKey],
  ['gpg:', openGpgKey],
  ['openpgp:', openOpenPgpKey],
]);

/**
 * Opens the account key that `privkey` names: `pkcs11:` (RFC 7512), `file:PATH` (PEM), `gpg:PATH`
 * or `openpgp:PATH`. A token is logged in to here, so that a wrong PIN shows at start.
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
 * Opens the account key at each place that `privkeys` names; with one, as `openAccountKey` does.
 * @throws AppError as `openAccountKey`; KEY_MISMATCH when the keys are not one
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
    places: privkeys.map((privkey) => ({
      description: describePrivkey(privkey),
      open: () => openAccountKey(privkey, context),
    })),
    log: context.log,
    timers: systemTimers,
  });
}

/**
 * The `privkey` setting as it may be shown, without a PIN. Nothing is opened.
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

/** Up to the first colon, that included; empty where there is none. */
function schemeOf(privkey: string): string {
  return privkey.slice(0, privkey.indexOf(':') + 1);
}

/** Names the scheme at most: the rest may be anything, a secret pasted by mistake among it. */
function unsupported(privkey: string): AppError {
  const scheme = /^[a-z][a-z0-9+.-]{0,15}:/i.exec(privkey)?.[0];
  const problem = scheme === undefined ? 'no kind is named' : `${scheme} is not supported`;
  return new AppError('KEY_UNSUPPORTED', `privkey: ${problem}`, {
    hint: 'privkey is pkcs11:... (RFC 7512), file:/PATH of a PEM file, gpg:/PATH or openpgp:/PATH',
  });
}
