// Runs in the token helper: its state (module, session, key) and what each request does to it.
// Every call into the module is synchronous; one request is done before the next is read. Trusts
// clavigerd, whose requests are parsed all the same.

import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import type { OpenToken } from './attributes.js';
import { selectPrivateKey, type PrivateKey } from './keys.js';
import {
  KEYS_PER_PAGE,
  type AdminRequest,
  type HelperRequest,
  type HelperResult,
  type KeyInfo,
  type KeySelector,
  type ModuleQuirks,
  type TokenSelector,
} from './messages.js';
import { ignoreFailure, loadModule, reinitialise } from './module.js';
import { callToken } from './pkcs11-failure.js';
import { formatErrorResult } from './token-error.js';
import { signInput } from './signing.js';
import { listTokens, selectToken } from './tokens.js';
import { logInUser } from './user-login.js';

const DONE: HelperResult = { kind: 'done' };

export class TokenServer {
  #lib: pkcs11js.PKCS11 | undefined;
  #path = '';
  #quirks: ModuleQuirks = {};
  #token: OpenToken | undefined;
  #key: PrivateKey | undefined;
  /** The list whose pages are being asked for: the token is read once for all of them. */
  #listed: readonly KeyInfo[] | undefined;
  /** The PIN that logged in, for a key with CKA_ALWAYS_AUTHENTICATE. */
  #pin: string | undefined;

  /** Does one request; a failure becomes an error result, never an exception. */
  async handle(request: HelperRequest): Promise<HelperResult> {
    try {
      return await this.#dispatch(request);
    } catch (error) {
      return formatErrorResult(error);
    }
  }

  #dispatch(request: HelperRequest): HelperResult | Promise<HelperResult> {
    switch (request.op) {
      case 'sign':
        return this.#sign(request.input);
      case 'load':
        return this.#load(request.module, request.quirks ?? {});
      case 'list-tokens':
        return { kind: 'tokens', tokens: listTokens(this.#loaded()).map(({ info }) => info) };
      case 'open':
        return this.#open(request.token, request.readWrite);
      case 'login':
        return this.#login(request.pin, request.again === true);
      case 'reinitialise':
        return this.#reinitialise();
      case 'select-key':
        return this.#selectKey(request.key);
      case 'list-keys':
        return this.#listKeys(request.offset);
      case 'generate':
        return this.#generate(request);
      case 'close':
        return this.#close();
      default:
        return this.#administer(request);
    }
  }

  #load(path: string, quirks: ModuleQuirks): HelperResult {
    this.#lib = loadModule(path, quirks);
    this.#path = path;
    this.#quirks = quirks;
    return DONE;
  }

  #open(selector: TokenSelector, readWrite: boolean): HelperResult {
    const lib = this.#loaded();
    this.#listed = undefined;
    this.#closeSession();
    const { slot, info } = selectToken(listTokens(lib), selector, this.#path);
    const writes = readWrite || this.#quirks.readWriteSessions === true;
    const flags = pkcs11js.CKF_SERIAL_SESSION | (writes ? pkcs11js.CKF_RW_SESSION : 0);
    const handle = callToken('C_OpenSession', () => lib.C_OpenSession(slot, flags));
    this.#token = { lib, slot, handle };
    return { kind: 'token', token: info };
  }

  /** There is one session at a time; its handles are void, whatever C_CloseSession returns. */
  #closeSession(): void {
    const token = this.#token;
    this.#token = undefined;
    this.#key = undefined;
    if (token !== undefined) {
      ignoreFailure(() => {
        token.lib.C_CloseSession(token.handle);
      });
    }
  }

  #reinitialise(): HelperResult {
    const lib = this.#loaded();
    this.#token = undefined;
    this.#key = undefined;
    reinitialise(lib, this.#quirks);
    return DONE;
  }

  #login(pin: string, again: boolean): HelperResult {
    logInUser(this.#opened(), pin, again);
    this.#pin = pin;
    return DONE;
  }

  #selectKey(selector: KeySelector): HelperResult {
    const key = selectPrivateKey(this.#opened(), selector);
    this.#key = key;
    if (!key.alwaysAuthenticate) {
      this.#pin = undefined;
    }
    const type = key.jwk.kty === 'RSA' ? 'RSA' : key.jwk.crv;
    const { label, id, jwk, alwaysAuthenticate } = key;
    const selected = { label, id, hasPrivate: true, alwaysAuthenticate, type, jwk };
    return { kind: 'key', key: selected };
  }

  #sign(input: string): HelperResult {
    if (this.#key === undefined) {
      throw new AppError('TOKEN_FAILED', 'token: no key is selected');
    }
    const bytes = Buffer.from(input, 'base64');
    const signature = signInput(this.#opened(), this.#key, bytes, this.#pin);
    return { kind: 'signature', signature: signature.toString('base64') };
  }

  async #listKeys(offset: number): Promise<HelperResult> {
    if (offset === 0 || this.#listed === undefined) {
      const { listKeys } = await import('./admin/inventory.js');
      this.#listed = listKeys(this.#opened());
    }
    const keys = this.#listed;
    const end = offset + KEYS_PER_PAGE;
    if (keys.length <= end) {
      this.#listed = undefined;
    }
    return { kind: 'keys', keys: keys.slice(offset, end), more: keys.length > end };
  }

  async #generate(wanted: HelperRequest & { op: 'generate' }): Promise<HelperResult> {
    const { generateKey } = await import('./admin/generation.js');
    const omits = this.#quirks.generateOmits ?? [];
    return { kind: 'key', key: generateKey(this.#opened(), { ...wanted, omits }) };
  }

  async #administer(request: AdminRequest): Promise<HelperResult> {
    const { administer } = await import('./admin/server.js');
    return administer(request, { lib: this.#loaded(), opened: () => this.#opened() });
  }

  /** Tokens with few sessions, and TPMs without a resource manager, need C_Finalize. */
  #close(): HelperResult {
    const lib = this.#lib;
    this.#lib = undefined;
    this.#token = undefined;
    this.#key = undefined;
    this.#pin = undefined;
    if (lib !== undefined) {
      callToken('C_Finalize', () => {
        lib.C_Finalize();
      });
    }
    return DONE;
  }

  #loaded(): pkcs11js.PKCS11 {
    if (this.#lib === undefined) {
      throw new AppError('TOKEN_FAILED', 'token: no module is loaded');
    }
    return this.#lib;
  }

  #opened(): OpenToken {
    if (this.#token === undefined) {
      throw new AppError('TOKEN_FAILED', 'token: no session is open');
    }
    return this.#token;
  }
}
