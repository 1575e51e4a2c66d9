// The requests that `clavigerd key` sends to a token helper beyond those of the daemon, as typed
// calls; and the start, login and end of that helper. Runs in `clavigerd key` alone, which starts a
// helper of its own and ends it with the command. Results are not trusted before they are parsed. A
// PIN is sent once.

import { AppError } from '../../lib/errors.js';
import type { Secret } from '../../lib/secret.js';
import { DEFAULT_SIGN_TIMEOUT_MS } from '../../lib/signing-times.js';
import type { AdminRequest, KeyInfo, TokenInfo } from '../../token/messages.js';
import type { KeyContext } from '../key-context.js';
import { resolveModule } from '../pkcs11/module-path.js';
import type { LoginGuard } from '../pin/login-guard.js';
import { isUtf8 } from '../pin/pin-line.js';
import type { Pkcs11Uri } from '../pkcs11/uri.js';
import { tokenLoginGuard } from '../pin/token-pin.js';
import { HelperProcess } from '../helper/helper-process.js';
import { HelperClient, type RequestChannel } from '../helper/helper-client.js';
import type { GoodResult } from '../helper/pending-requests.js';

/** Smartcards take minutes for an RSA-4096 key. */
export const GENERATE_TIMEOUT_MS = 600_000;

type ResultOf<K extends GoodResult['kind']> = Extract<GoodResult, { kind: K }>;

/**
 * Runs an operation of the token that may take seconds, and shows meanwhile that it is under way.
 * It never prompts for a PIN.
 */
export type Track = <T>(work: () => Promise<T>) => Promise<T>;

/** CKA_LABEL, and CKA_ID in lower-case hexadecimal. */
export interface KeyNames {
  readonly label: string;
  readonly id: string;
}

interface NewToken {
  readonly slotId: number;
  readonly label: string;
  readonly soPin: Secret;
  readonly pin: Secret;
}

/** The requests of `clavigerd key`; those that the daemon sends as well are in `session`. */
export class AdminClient {
  readonly session: HelperClient;
  readonly #helper: RequestChannel;
  readonly #timeoutMs: number;

  constructor(helper: RequestChannel, timeoutMs: number) {
    this.#helper = helper;
    this.#timeoutMs = timeoutMs;
    this.session = new HelperClient(helper, timeoutMs);
  }

  /** @throws AppError TOKEN_NOT_FOUND for a slot whose token is initialised already */
  async initToken({ slotId, label, soPin, pin }: NewToken): Promise<TokenInfo> {
    const secrets = { soPin: textOf(soPin), pin: textOf(pin) };
    return (await this.#ask({ op: 'init-token', slotId, label, ...secrets }, 'token')).token;
  }

  /**
   * @param pkcs8 the private key in DER; the caller wipes it.
   * @throws AppError TOKEN_KEY_AMBIGUOUS
   */
  async importKey({ label, id }: KeyNames, pkcs8: Buffer): Promise<KeyInfo> {
    const key = pkcs8.toString('base64');
    return (await this.#ask({ op: 'import-key', label, id, pkcs8: key }, 'key')).key;
  }

  /** @throws AppError TOKEN_KEY_NOT_FOUND, TOKEN_KEY_AMBIGUOUS */
  deleteKey({ label, id }: KeyNames): Promise<ResultOf<'deleted'>> {
    return this.#ask({ op: 'delete-key', label, id }, 'deleted');
  }

  /**
   * The attestation and the certificate of its issuer, in DER.
   * @throws AppError TOKEN_KEY_UNSUPPORTED
   */
  async attest({ label, id }: KeyNames): Promise<Buffer[]> {
    const { certificates } = await this.#ask({ op: 'attest', label, id }, 'certificates');
    return certificates.map((der) => Buffer.from(der, 'base64'));
  }

  /** One attempt. @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED */
  async logInOfficer(soPin: Secret): Promise<void> {
    await this.#ask({ op: 'login-officer', soPin: textOf(soPin) }, 'done');
  }

  /**
   * @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED; TOKEN_FAILED for a new PIN that the
   *   token refuses
   */
  async changePin(pin: Secret, newPin: Secret): Promise<void> {
    const secrets = { pin: textOf(pin), newPin: textOf(newPin) };
    await this.#ask({ op: 'change-pin', ...secrets }, 'done');
  }

  /** Sets the user's PIN; the security officer is logged in. @throws AppError TOKEN_FAILED */
  async unblockPin(newPin: Secret): Promise<void> {
    await this.#ask({ op: 'unblock-pin', newPin: textOf(newPin) }, 'done');
  }

  async #ask<K extends GoodResult['kind']>(request: AdminRequest, kind: K): Promise<ResultOf<K>> {
    const result = await this.#helper.request(request, this.#timeoutMs);
    if (!isKind(result, kind)) {
      throw new AppError('TOKEN_HELPER', `token helper: no ${kind} in reply to ${request.op}`);
    }
    return result;
  }
}

function isKind<K extends GoodResult['kind']>(result: GoodResult, kind: K): result is ResultOf<K> {
  return result.kind === kind;
}

/**
 * @throws AppError KEY_PIN for a PIN that is not UTF-8: with its bytes replaced it would be another
 *   one, and cost a try
 */
function textOf(secret: Secret): string {
  if (!secret.use(isUtf8)) {
    throw new AppError('KEY_PIN', 'PIN: not UTF-8, and no token takes that');
  }
  return secret.use((bytes) => bytes.toString('utf8'));
}

/**
 * Starts a helper with the module of the URI, and ends it when `use` has ended.
 * @throws AppError KEY_URI, TOKEN_MODULE, and what `use` throws
 */
export async function withTokenAdmin<T>(
  uri: Pkcs11Uri,
  context: KeyContext,
  use: (admin: AdminClient) => Promise<T>,
): Promise<T> {
  const module = resolveModule(uri, context.env);
  const helper = new HelperProcess({ env: context.env, log: context.log });
  const admin = new AdminClient(helper, context.signTimeoutMs ?? DEFAULT_SIGN_TIMEOUT_MS);
  try {
    await admin.session.load(module);
    return await use(admin);
  } finally {
    await admin.session.close();
  }
}

/**
 * Opens the one token that matches, and logs in if it requires that.
 * @throws AppError TOKEN_*, KEY_PIN*
 */
export async function openAndLogIn(
  session: HelperClient,
  uri: Pkcs11Uri,
  access: 'read' | 'write',
  context: KeyContext,
): Promise<TokenInfo> {
  const token = await session.openToken(uri.token, access);
  await logIn(session, token, uri, context);
  return token;
}

/** One attempt with the PIN from its source. @throws AppError TOKEN_PIN_*, KEY_PIN* */
export async function logIn(
  session: HelperClient,
  token: TokenInfo,
  uri: Pkcs11Uri,
  context: KeyContext,
): Promise<void> {
  if (!token.loginRequired) {
    return;
  }
  await withLoginGuard(tokenLoginGuard(uri, forCommand(context)), (guard) =>
    guard.login(token, (pin) => session.login(token, pin)),
  );
}

/** Wipes the PIN when `use` has ended. */
export async function withLoginGuard<T>(
  guard: LoginGuard,
  use: (guard: LoginGuard) => Promise<T>,
): Promise<T> {
  try {
    return await use(guard);
  } finally {
    guard.close();
  }
}

/** The context without errors in the log: a command prints its failure once, as it ends. */
export function forCommand(context: KeyContext): KeyContext {
  return {
    ...context,
    log: (level, message) => {
      if (level !== 'error') {
        context.log(level, message);
      }
    },
  };
}

/** True when label and ID are those of the URI, as far as it names them. */
export function isMatchingKey(key: KeyInfo, { key: wanted }: Pick<Pkcs11Uri, 'key'>): boolean {
  return (wanted.label ?? key.label) === key.label && (wanted.id ?? key.id) === key.id;
}
