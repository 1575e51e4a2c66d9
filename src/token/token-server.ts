// Runs in the token helper: what it knows (module, session, key) and what each request does to it.
// Every call into the module is synchronous; one request is done before the next is read.

import pkcs11js from 'pkcs11js';
import { AppError, messageOf } from '../lib/errors.js';
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
import { callToken, pkcs11FailureOf } from './pkcs11-failure.js';
import { formatErrorResult, TokenError } from './token-error.js';
import { signInput } from './signing.js';
import { noNetworkHint } from './network-reach.js';
import { listTokens, selectToken } from './tokens.js';
import { effectiveUserId } from '../sys/user.js';

const DONE: HelperResult = { kind: 'done' };

export class TokenServer {
  #lib: pkcs11js.PKCS11 | undefined;
  #path = '';
  #quirks: ModuleQuirks = {};
  #token: OpenToken | undefined;
  #key: PrivateKey | undefined;
  /** What the pages that are asked for are of: one look at the token for all of them. */
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
    const lib = new pkcs11js.PKCS11();
    try {
      lib.load(path);
    } catch (error) {
      throw new AppError('TOKEN_MODULE', `module: not a PKCS#11 library: ${messageOf(error)}`, {
        hint: 'module-path= names the shared library of the token, for instance /usr/lib/softhsm/libsofthsm2.so',
        cause: error,
      });
    }
    initialise(lib, quirks);
    this.#lib = lib;
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

  /** One session at a time; its handles go with it, whatever the module says to its end. */
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
    ignoreFailure(() => {
      lib.C_Finalize();
    });
    initialise(lib, this.#quirks);
    return DONE;
  }

  /** One attempt, never a second: the daemon decides what a refusal means. */
  #login(pin: string, again: boolean): HelperResult {
    const { lib, handle } = this.#opened();
    if (again) {
      // Some modules believe to be logged in when the card is not. This session is the only one
      // here, and idle.
      ignoreFailure(() => {
        lib.C_Logout(handle);
      });
    }
    try {
      lib.C_Login(handle, pkcs11js.CKU_USER, pin);
    } catch (error) {
      const { name } = pkcs11FailureOf(error);
      // ykcs11 says CKR_ARGUMENTS_BAD to a PIN of a length it does not like.
      if (name === 'CKR_ARGUMENTS_BAD') {
        const message = `token: C_Login: ${name}`;
        throw new TokenError('TOKEN_PIN_INCORRECT', message, { returnValue: name, cause: error });
      }
      if (name !== 'CKR_USER_ALREADY_LOGGED_IN') {
        callToken('C_Login', () => {
          throw error;
        });
      }
    }
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

  /** Tokens with few sessions, and TPMs without a resource manager, need a proper end. */
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

/** @throws AppError TOKEN_MODULE, with the return value */
function initialise(lib: pkcs11js.PKCS11, { parameters, configuration }: ModuleQuirks): void {
  try {
    lib.C_Initialize({
      flags: pkcs11js.CKF_OS_LOCKING_OK,
      // pkcs11js 2.1.7 cuts off the last character.
      ...(parameters !== undefined && { libraryParameters: `${parameters} ` }),
    });
  } catch (error) {
    const { name } = pkcs11FailureOf(error);
    const user = `user ID ${effectiveUserId()}`;
    const place = configuration === undefined ? '' : `: ${configuration}`;
    throw new TokenError('TOKEN_MODULE', `module: C_Initialize: ${name ?? messageOf(error)}`, {
      hint: `the configuration of the module is missing or not readable for ${user}${place}${noNetworkHint()}`,
      returnValue: name,
      cause: error,
    });
  }
}

/** For what is done on the way out of a failure: that it fails too says nothing new. */
function ignoreFailure(call: () => void): void {
  try {
    call();
  } catch {
    // what comes next shows whether it mattered
  }
}
