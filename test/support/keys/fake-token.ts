// A token and its helper clients that do what a test says, in the place of helper processes. Used
// by unit tests only: what a real token does, integration tests show.

import type { Client, KeySignature } from '../../../src/keys/account-key.js';
import type { Guard } from '../../../src/keys/helper/login.js';
import { NotBegunError } from '../../../src/keys/helper/pending-requests.js';
import type { SigningHelper } from '../../../src/keys/helper/ready-session.js';
import type { SigningJob } from '../../../src/keys/helper/signing-job.js';
import type { Pkcs11Module } from '../../../src/keys/pkcs11/module-path.js';
import { AppError } from '../../../src/lib/errors.js';
import { Secret } from '../../../src/lib/secret.js';
import type { KeyInfo, TokenInfo } from '../../../src/token/messages.js';
import { TokenError, type TokenErrorCode } from '../../../src/token/token-error.js';

export const TOKEN: TokenInfo = {
  label: 'acme',
  serial: '01',
  manufacturer: 'm',
  model: 'x',
  slotId: 7,
  initialized: true,
  loginRequired: true,
  pinState: 'ok',
};

export const KEY: KeyInfo = {
  label: 'k',
  id: '01',
  hasPrivate: true,
  type: 'P-256',
  jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
};

type FakeCall = 'load' | 'reinitialise' | 'openToken' | 'login' | 'listKeys' | 'selectKey' | 'sign';

/** A failed call into the module. */
export function failedCall(returnValue: string, code: TokenErrorCode = 'TOKEN_FAILED'): TokenError {
  return new TokenError(code, `token: C_Some: ${returnValue}`, { returnValue });
}

/** What a helper process that ended leaves to the request it worked on. */
export function endedHelper(): AppError {
  return new AppError('TOKEN_HELPER', 'token helper: ended (SIGSEGV)');
}

interface HeldSignature {
  readonly input: Buffer;
  readonly onBegin: (() => void) | undefined;
  readonly resolve: (signature: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class FakeToken {
  token = TOKEN;
  key = KEY;
  /** What shows without a login. */
  listed: readonly KeyInfo[] = [KEY];
  /** Signatures wait for `finish` of their helper. */
  isSlow = false;
  /** Calls other than signatures wait for it. */
  gate: Promise<void> = Promise.resolve();
  /** Every call: number of the helper, name of the call. */
  readonly calls: string[] = [];
  readonly helpers: FakeHelper[] = [];
  readonly #failures = new Map<FakeCall, Error[]>();
  readonly #lasting = new Map<FakeCall, Error>();

  /** The next calls fail, one for each error. */
  failOnce(call: FakeCall, ...errors: Error[]): void {
    this.#failures.set(call, [...(this.#failures.get(call) ?? []), ...errors]);
  }

  /** All calls fail from now on; undefined ends that. */
  failAlways(call: FakeCall, error: Error | undefined): void {
    if (error === undefined) {
      this.#lasting.delete(call);
    } else {
      this.#lasting.set(call, error);
    }
  }

  failureOf(call: FakeCall): Error | undefined {
    return this.#failures.get(call)?.shift() ?? this.#lasting.get(call);
  }

  readonly startHelper = (): FakeHelper => {
    const helper = new FakeHelper(this, this.helpers.length + 1);
    this.helpers.push(helper);
    return helper;
  };

  /** The helper that was started last. */
  get helper(): FakeHelper {
    const helper = this.helpers.at(-1);
    if (helper === undefined) {
      throw new Error('no helper was started');
    }
    return helper;
  }

  /** The calls since this was read last. */
  takeCalls(): string[] {
    return this.calls.splice(0);
  }
}

class FakeHelper implements SigningHelper {
  readonly pid: number;
  readonly #token: FakeToken;
  readonly #number: number;
  readonly #held: HeldSignature[] = [];
  isEnded = false;

  constructor(token: FakeToken, number: number) {
    this.#token = token;
    this.#number = number;
    this.pid = 1000 + number;
  }

  async load(): Promise<void> {
    await this.#do('load');
  }

  async reinitialise(): Promise<void> {
    await this.#do('reinitialise');
  }

  async openToken(): Promise<TokenInfo> {
    await this.#do('openToken');
    return this.#token.token;
  }

  async login(_token: TokenInfo, _pin: Secret, again = false): Promise<void> {
    await this.#do('login', again ? 'login again' : 'login');
  }

  async listKeys(): Promise<KeyInfo[]> {
    await this.#do('listKeys');
    return [...this.#token.listed];
  }

  async selectKey(): Promise<KeyInfo> {
    await this.#do('selectKey');
    return this.#token.key;
  }

  /** Gives the input back. */
  sign(input: Buffer, onBegin?: () => void): Promise<Buffer> {
    this.#record('sign');
    if (this.isEnded) {
      return Promise.reject(new NotBegunError('token helper: ended'));
    }
    return new Promise((resolve, reject) => {
      this.#held.push({ input, onBegin, resolve, reject });
      if (this.#held.length === 1) {
        this.#begin();
      }
    });
  }

  /** Inputs whose signatures it has in hand, the one it works on first. */
  get inHand(): string[] {
    return this.#held.map(({ input }) => input.toString());
  }

  /** Ends the signature it works on. */
  finish(error?: Error): void {
    const first = this.#held.shift();
    if (first === undefined) {
      throw new Error('no signature is in hand');
    }
    this.#begin();
    if (error === undefined) {
      first.resolve(first.input);
    } else {
      first.reject(error);
    }
  }

  /** As when the process is gone: the first request may have been done, the others were not. */
  die(error: Error = endedHelper()): void {
    this.isEnded = true;
    for (const [at, { reject }] of this.#held.splice(0).entries()) {
      reject(at === 0 ? error : new NotBegunError('token helper: ended'));
    }
  }

  close(graceMs?: number): Promise<void> {
    this.#record(graceMs === undefined ? 'close' : `close within ${graceMs}`);
    this.isEnded = true;
    return Promise.resolve();
  }

  kill(): Promise<void> {
    this.#record('kill');
    this.die(new AppError('TOKEN_HELPER', 'token helper: ended (SIGKILL)'));
    return Promise.resolve();
  }

  #begin(): void {
    const [first] = this.#held;
    if (first === undefined) {
      return;
    }
    first.onBegin?.();
    const failure = this.#token.failureOf('sign');
    if (failure !== undefined) {
      this.finish(failure);
    } else if (!this.#token.isSlow) {
      this.finish();
    }
  }

  async #do(call: FakeCall, name: string = call): Promise<void> {
    this.#record(name);
    await this.#token.gate;
    if (this.isEnded) {
      throw new NotBegunError('token helper: ended');
    }
    const failure = this.#token.failureOf(call);
    if (failure !== undefined) {
      throw failure;
    }
  }

  #record(call: string): void {
    this.#token.calls.push(`${this.#number} ${call}`);
  }
}

/** A login guard that allows every login, unless a test says otherwise. */
export class FakeGuard implements Guard {
  refusal: AppError | undefined;
  logins = 0;
  proofs = 0;
  isClosed = false;

  assertOpen(): void {
    if (this.refusal !== undefined) {
      throw this.refusal;
    }
  }

  async login(_token: TokenInfo, attempt: (pin: Secret) => Promise<void>): Promise<void> {
    this.assertOpen();
    this.logins += 1;
    await attempt(Secret.fromText('123456'));
  }

  withProvenPin<T>(_token: TokenInfo, use: (pin: Secret) => Promise<T>): Promise<T> {
    this.proofs += 1;
    return use(Secret.fromText('123456'));
  }

  close(): void {
    this.isClosed = true;
  }
}

/** The module of a fake token. */
export const MODULE: Pkcs11Module = {
  path: '/lib/fake.so',
  name: undefined,
  helpers: 1,
  quirks: {},
  broken: {},
};

export interface FakeJob extends SigningJob {
  readonly outcome: Promise<KeySignature>;
  /** How often the client was notified. */
  readonly notices: () => number;
}

/** A job whose outcome a test can wait for. */
export function newJob(client: Client, input = 'input'): FakeJob {
  let notices = 0;
  const { promise, resolve, reject } = withResolvers<KeySignature>();
  promise.catch(() => undefined);
  return {
    client,
    input: Buffer.from(input),
    resolve,
    reject,
    onNotice: () => {
      notices += 1;
    },
    outcome: promise,
    notices: () => notices,
  };
}

interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): Resolvers<T> {
  let settle: Omit<Resolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  if (settle === undefined) {
    throw new Error('a promise runs its executor at once');
  }
  return { promise, ...settle };
}
