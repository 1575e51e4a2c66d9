// Runs in the daemon and in `clavigerd key`: the requests a helper process knows, as typed calls.
// Each is one message and its reply; what a helper must not reply is an error here.

import type { Secret } from '../../lib/secret.js';
import { AppError } from '../../lib/errors.js';
import type {
  GeneratedKeyType,
  HelperRequest,
  KeyInfo,
  KeySelector,
  TokenInfo,
  TokenSelector,
} from '../../token/messages.js';
import type { Pkcs11Module } from '../pkcs11/module-path.js';
import type { GoodResult, HelperProcess } from './helper-process.js';
import { assertLoginIsSafe, explainRefusal, isPinRefusal } from '../pin/pin-refusal.js';

export interface NewKey {
  readonly type: GeneratedKeyType;
  readonly label: string;
  /** CKA_ID in lower-case hexadecimal. */
  readonly id: string;
}

interface AskOptions {
  readonly timeoutMs?: number;
  /** Told when the helper begins on the request. */
  readonly onBegin?: (() => void) | undefined;
}

type ResultOf<K extends GoodResult['kind']> = Extract<GoodResult, { kind: K }>;

export class HelperClient {
  readonly #process: HelperProcess;
  readonly #timeoutMs: number;

  /** @param timeoutMs longest time for one request, except where a call says otherwise. */
  constructor(process: HelperProcess, timeoutMs: number) {
    this.#process = process;
    this.#timeoutMs = timeoutMs;
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
   * C_Finalize and C_Initialize: everything known of the token is void. @throws AppError
   * TOKEN_MODULE
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
   * Logs in: one attempt, and none where the token says that it is locked or has one try left.
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

  /** The keys of the open token: before a login, what is public. */
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
   * Ends the helper. @param graceMs longest time for what it has in hand; default: what each may
   * take
   */
  close(graceMs?: number): Promise<void> {
    return this.#process.close(graceMs);
  }

  /** Ends the helper by SIGKILL. Returns when it is gone. */
  kill(): Promise<void> {
    this.#process.kill();
    return this.#process.close();
  }

  async #ask<K extends GoodResult['kind']>(
    request: HelperRequest,
    kind: K,
    { timeoutMs = this.#timeoutMs, onBegin }: AskOptions = {},
  ): Promise<ResultOf<K>> {
    const result = await this.#process.request(request, timeoutMs, onBegin);
    if (!isKind(result, kind)) {
      throw new AppError('TOKEN_HELPER', `token helper: replied ${result.kind} to ${request.op}`);
    }
    return result;
  }
}

function isKind<K extends GoodResult['kind']>(result: GoodResult, kind: K): result is ResultOf<K> {
  return result.kind === kind;
}
