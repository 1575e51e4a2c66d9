// Runs in clavigerd and in `clavigerd key`: the requests a token helper knows, as typed calls. Each
// is one message and its reply. Does not trust the helper: a result of another kind than asked for
// is an error.

import type { Secret } from '../../lib/secret.js';
import { AppError } from '../../lib/errors.js';
import { DEFAULT_SIGN_TIMEOUT_MS } from '../../lib/signing-times.js';
import type {
  GeneratedKeyType,
  HelperRequest,
  KeyInfo,
  KeySelector,
  TokenInfo,
  TokenSelector,
} from '../../token/messages.js';
import type { Pkcs11Module } from '../pkcs11/module-path.js';
import type { KeyContext } from '../key-context.js';
import { HelperProcess } from './helper-process.js';
import type { GoodResult } from './pending-requests.js';
import { assertLoginIsSafe, explainRefusal, isPinRefusal } from '../pin/pin-refusal.js';

export interface NewKey {
  readonly type: GeneratedKeyType;
  readonly label: string;
  /** CKA_ID in lower-case hexadecimal. */
  readonly id: string;
}

interface AskOptions {
  readonly timeoutMs?: number;
  /** Called when the helper begins with the request. */
  readonly onBegin?: (() => void) | undefined;
}

type ResultOf<K extends GoodResult['kind']> = Extract<GoodResult, { kind: K }>;

/** The members of a helper process that a client uses. */
export type RequestChannel = Pick<HelperProcess, 'pid' | 'request' | 'close' | 'kill'>;

export class HelperClient {
  readonly #process: RequestChannel;
  readonly #signTimeoutMs: number;

  /** @param signTimeoutMs longest time for one request, except where a call says otherwise. */
  constructor(process: RequestChannel, signTimeoutMs: number) {
    this.#process = process;
    this.#signTimeoutMs = signTimeoutMs;
  }

  /** Process ID of the helper. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** @throws AppError TOKEN_MODULE when it is no PKCS#11 library, or does not initialise. */
  async load({ path, quirks }: Pick<Pkcs11Module, 'path' | 'quirks'>): Promise<void> {
    await this.#ask({ op: 'load', module: path, quirks }, 'done');
  }

  /**
   * C_Finalize and C_Initialize: sessions and handles are void. @throws AppError TOKEN_MODULE
   */
  async reinitialise(): Promise<void> {
    await this.#ask({ op: 'reinitialise' }, 'done');
  }

  async listTokens(): Promise<TokenInfo[]> {
    return (await this.#ask({ op: 'list-tokens' }, 'tokens')).tokens;
  }

  /** @throws AppError TOKEN_NOT_FOUND, TOKEN_AMBIGUOUS */
  async openToken(token: TokenSelector, access: 'read' | 'write'): Promise<TokenInfo> {
    return (await this.#ask({ op: 'open', token, readWrite: access === 'write' }, 'token')).token;
  }

  /**
   * Logs in by one attempt, or by none where the PIN is locked or has one try left.
   * @param again true logs out first.
   * @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED
   */
  async login(token: TokenInfo, pin: Secret, again = false): Promise<void> {
    assertLoginIsSafe(token);
    try {
      const text = pin.use((bytes) => bytes.toString('utf8'));
      await this.#ask({ op: 'login', pin: text, again }, 'done');
    } catch (error) {
      throw isPinRefusal(error) ? explainRefusal(error, token) : error;
    }
  }

  /** @throws AppError TOKEN_KEY_NOT_FOUND, TOKEN_KEY_AMBIGUOUS, TOKEN_KEY_UNSUPPORTED */
  async selectKey(key: KeySelector): Promise<KeyInfo> {
    return (await this.#ask({ op: 'select-key', key }, 'key')).key;
  }

  /**
   * Signs with the selected key, in JWS form; the helper makes the hash, or has the token make it.
   */
  async sign(input: Buffer, onBegin?: () => void): Promise<Buffer> {
    const request = { op: 'sign', input: input.toString('base64') } as const;
    const result = await this.#ask(request, 'signature', { onBegin });
    return Buffer.from(result.signature, 'base64');
  }

  /** The keys of the open token: before a login, public ones alone. */
  async listKeys(): Promise<KeyInfo[]> {
    const keys: KeyInfo[] = [];
    for (;;) {
      const page = await this.#ask({ op: 'list-keys', offset: keys.length }, 'keys');
      keys.push(...page.keys);
      if (!page.more || page.keys.length === 0) {
        return keys;
      }
    }
  }

  /** @throws AppError TOKEN_KEY_AMBIGUOUS when the label or the ID is taken */
  async generateKey(key: NewKey, timeoutMs: number): Promise<KeyInfo> {
    return (await this.#ask({ op: 'generate', ...key }, 'key', { timeoutMs })).key;
  }

  /**
   * Ends the helper. @param graceMs longest time for the requests in hand; default: the time of
   * each
   */
  close(graceMs?: number): Promise<void> {
    return this.#process.close(graceMs);
  }

  /** Ends the helper by SIGKILL. Returns when it has exited. */
  kill(): Promise<void> {
    this.#process.kill();
    return this.#process.close();
  }

  async #ask<K extends GoodResult['kind']>(
    request: HelperRequest,
    kind: K,
    { timeoutMs = this.#signTimeoutMs, onBegin }: AskOptions = {},
  ): Promise<ResultOf<K>> {
    const result = await this.#process.request(request, timeoutMs, onBegin);
    if (!isKind(result, kind)) {
      throw new AppError('TOKEN_HELPER', `token helper: replied ${result.kind} to ${request.op}`);
    }
    return result;
  }
}

/** Starts a token helper process. @throws AppError TOKEN_HELPER */
export function startHelper({
  env,
  log,
  signTimeoutMs,
}: Pick<KeyContext, 'env' | 'log' | 'signTimeoutMs'>): HelperClient {
  const process = new HelperProcess({ env, log });
  return new HelperClient(process, signTimeoutMs ?? DEFAULT_SIGN_TIMEOUT_MS);
}

function isKind<K extends GoodResult['kind']>(result: GoodResult, kind: K): result is ResultOf<K> {
  return result.kind === kind;
}
