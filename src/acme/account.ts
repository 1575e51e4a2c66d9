// The account of the signer's key, RFC 8555 §7.3: found, registered or read. Runs in claviger. A
// key is registered only where the caller has the user's consent for it.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { HttpResponse } from './transport/http.js';
import { parseOptionalBody } from './transport/json.js';
import { accountSchema, type Account } from './objects.js';
import { DEACTIVATED_HINT, isProblem } from './problem.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession, AcmeSession, Registration } from './session.js';
import { postAsAccount, postAsKey, readResource } from './transport/signed-post.js';

export interface FoundAccount {
  /** Verbatim as the server wrote it: servers compare it as a string. */
  readonly url: string;
  readonly account: Account;
}

/**
 * The session with the account URL for `kid`: the one the signer announced, else the one the server
 * has for its key. A key that the server does not know is registered if the session allows it.
 * @throws ServerProblem accountDoesNotExist when the key is not registered; CONFIG_INVALID when the
 *   signer's account is another server's
 */
export async function openAccount(session: AcmeSession): Promise<AccountSession> {
  return { ...session, accountUrl: await findAccountUrl(session) };
}

async function findAccountUrl(session: AcmeSession): Promise<string> {
  const { keyId } = session.signer;
  if (keyId !== undefined) {
    assertAccountOfServer(session, keyId);
    return keyId;
  }
  try {
    return locationOf(session, await askForAccount(session, { onlyReturnExisting: true }));
  } catch (error) {
    const { registration } = session;
    if (registration === undefined || !isProblem(error, 'accountDoesNotExist')) {
      throw error;
    }
    session.report('the server does not know the account key yet: registering it, as configured');
    return (await registerAccount(session, registration)).url;
  }
}

/** The server would refuse what another server's account signs, but only late in the order. */
function assertAccountOfServer({ directory }: AcmeSession, keyId: string): void {
  const { host } = parseServerUrl(keyId, directory.url, "the signer's key ID");
  const hosts = [directory.url, directory.newAccount, directory.newOrder].map((url) => url.host);
  if (!hosts.includes(host)) {
    throw new AppError(
      'CONFIG_INVALID',
      `account: the signer's account is at ${host}, and the server is ${directory.url.host}`,
      { hint: 'name the server of that account by --server, or use the signer of another account' },
    );
  }
}

/** RFC 8555 §7.3.1: looks the account of the key up, and never creates one. */
async function findAccount(session: AcmeSession): Promise<FoundAccount> {
  return await postAccount(session, { onlyReturnExisting: true });
}

async function postAccount(session: AcmeSession, payload: object): Promise<FoundAccount> {
  const response = await askForAccount(session, payload);
  const url = locationOf(session, response);
  return { url, account: parseOptionalBody(accountSchema, response, 'account') };
}

function askForAccount(session: AcmeSession, payload: object): Promise<HttpResponse> {
  return postAsKey(session, {
    url: session.directory.newAccount,
    payload,
    what: 'account',
    isRepeatable: true, // RFC 8555 §7.3.1: a key has one account, however often it is requested
  });
}

function locationOf(session: AcmeSession, response: HttpResponse): string {
  const url = response.headers.get('location') ?? '';
  parseServerUrl(url, session.directory.url, 'account: location');
  return url;
}

/** Reads the account (POST-as-GET of its URL). Works in key-ID-only mode too. */
export async function readAccount(session: AcmeSession): Promise<FoundAccount> {
  const opened = await openAccount(session);
  const url = parseServerUrl(opened.accountUrl, session.directory.url, 'account');
  const { value: account } = await readResource(opened, accountSchema, { url, what: 'account' });
  return { url: opened.accountUrl, account };
}

/**
 * Registers the key. If it is registered already, its contacts are updated where some are given.
 * @throws AppError ACME_UNSUPPORTED in key-ID-only mode, without consent to the terms, or when the
 *   authority wants an external account binding
 */
export async function registerAccount(
  session: AcmeSession,
  registration: Registration,
): Promise<FoundAccount & { readonly isNew: boolean }> {
  if (session.signer.jwk === undefined) {
    throw new AppError('ACME_UNSUPPORTED', 'account: the signer runs in key-ID-only mode', {
      hint: 'its account is registered already and cannot be managed through it; `claviger account show` shows it',
    });
  }
  const existing = await findExisting(session);
  if (existing !== undefined) {
    assertValid(existing);
    return { ...(await updateContacts(session, existing, registration.contacts)), isNew: false };
  }
  requireConsent(session, registration);
  const created = await postAccount(session, {
    ...(registration.contacts.length === 0 ? {} : { contact: registration.contacts }),
    ...(registration.agreeTermsOfService ? { termsOfServiceAgreed: true } : {}),
  });
  return { ...created, isNew: true };
}

/** Some servers answer a search with an account that was deactivated, RFC 8555 §7.3.6. */
function assertValid({ url, account: { status } }: FoundAccount): void {
  if (status !== 'valid') {
    throw new AppError('ACME_UNSUPPORTED', `account: ${printable(url)} is ${status}`, {
      hint: DEACTIVATED_HINT,
    });
  }
}

async function findExisting(session: AcmeSession): Promise<FoundAccount | undefined> {
  try {
    return await findAccount(session);
  } catch (error) {
    if (isProblem(error, 'accountDoesNotExist')) {
      return undefined;
    }
    throw error;
  }
}

function requireConsent(session: AcmeSession, registration: Registration): void {
  const { directory } = session;
  if (directory.isExternalAccountRequired) {
    throw new AppError(
      'ACME_UNSUPPORTED',
      'account: the server wants an external account binding',
      {
        hint: 'claviger does not do that yet; choose another --server',
      },
    );
  }
  if (directory.termsOfService !== undefined && !registration.agreeTermsOfService) {
    const terms = printable(directory.termsOfService, 300);
    throw new AppError('ACME_UNSUPPORTED', `account: the server has terms of service: ${terms}`, {
      hint: 'read them, and repeat the command with --agree-tos if you agree',
    });
  }
}

/** RFC 8555 §7.3.2 */
async function updateContacts(
  session: AcmeSession,
  found: FoundAccount,
  contacts: readonly string[],
): Promise<FoundAccount> {
  const spell = (list: readonly string[]): string => [...list].sort().join(' ');
  const { contact } = found.account;
  const isCurrent = contact !== undefined && spell(contacts) === spell(contact);
  if (contacts.length === 0 || isCurrent) {
    return found;
  }
  const response = await postAsAccount(
    { ...session, accountUrl: found.url },
    {
      url: parseServerUrl(found.url, session.directory.url, 'account'),
      payload: { contact: contacts },
      what: 'account',
      isRepeatable: true,
    },
  );
  return { url: found.url, account: parseOptionalBody(accountSchema, response, 'account') };
}
