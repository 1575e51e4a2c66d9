// The account's signer as the ACME core sees it, over one connection. Runs in the client's master.
// One connection only: lacme-accountd serves one client at a time. Requests are pipelined on it,
// the replies come in order. Where the public key is known every signature is verified.

import type { KeyObject } from 'node:crypto';
import type { AccountSigner } from '../../acme/account-signer.js';
import type { SignerConfig } from '../../config/client/config.js';
import { publicKeyOfJwk, type PublicJwk } from '../../jose/public-jwk.js';
import { verifySignature } from '../../jose/signature.js';
import { decodeBase64Url } from '../../lib/base64url.js';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { ClientSession, type ClientSessionEvent } from '../../protocol/client-session.js';
import type { SignerGreeting } from '../../protocol/signer-greeting.js';
import { ReplyTimers } from './reply-timers.js';
import { connectSocket, spawnSigner, type SignerTransport } from './signer-transport.js';

/** ssh may ask for a passphrase, and clavigerd --stdio for a PIN, before the greeting comes. */
const COMMAND_GREETING_TIMEOUT_MS = 120_000;
const SOCKET_GREETING_TIMEOUT_MS = 30_000;
/**
 * Longer than the signer's own limit, so that its answer comes first; a touch or a PIN takes time.
 */
const SIGN_TIMEOUT_MS = 120_000;
/** Far below any sensible idle-timeout of clavigerd, whose default is ten minutes. */
const PING_INTERVAL_MS = 60_000;

const SOCKET_HINT = 'does it serve another client?';
const COMMAND_HINT = 'run the command of --signer-command by hand: a signer says "1 OK" at once';

export interface SignerOptions {
  readonly config: SignerConfig;
  readonly signal: AbortSignal;
  /** Milliseconds until the greeting, and until each signature; there are defaults. */
  readonly greetingTimeoutMs?: number;
  readonly signTimeoutMs?: number;
  /** Milliseconds without a request after which the signer is told that the client is there. */
  readonly pingIntervalMs?: number;
  report(line: string): void;
}

interface PendingReply {
  /** What is to be signed; undefined for a ping. */
  readonly input: string | undefined;
  resolve(signature: string): void;
  reject(error: unknown): void;
}

/**
 * Connects and reads the greeting.
 * @throws AppError CLIENT_SIGNER, SYS_UNSAFE_PATH, SYS_SOCKET, PROTO_GREETING
 */
export async function openSigner(options: SignerOptions): Promise<SignerConnection> {
  const { config, signal } = options;
  signal.throwIfAborted();
  const isSocket = config.kind === 'socket';
  const transport = await (isSocket ? connectSocket(config.path) : spawnSigner(config.words));
  const connection = new SignerConnection(transport, options);
  try {
    signal.throwIfAborted();
    const timeoutMs = isSocket ? SOCKET_GREETING_TIMEOUT_MS : COMMAND_GREETING_TIMEOUT_MS;
    await connection.greet(options.greetingTimeoutMs ?? timeoutMs);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}

export class SignerConnection implements AccountSigner {
  readonly #transport: SignerTransport;
  readonly #options: SignerOptions;
  readonly #session = new ClientSession();
  readonly #pending: PendingReply[] = [];
  #greeting: SignerGreeting | undefined;
  #publicKey: KeyObject | undefined;
  #onGreeting: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #failure: AppError | undefined;
  readonly #clock = new ReplyTimers({
    onLate: (error) => {
      this.#fail(error);
    },
    onSlow: () => {
      this.#options.report('waiting for the signer; its token may want a touch or a PIN');
    },
    onRest: () => {
      this.#ping();
    },
  });

  constructor(transport: SignerTransport, options: SignerOptions) {
    this.#transport = transport;
    this.#options = options;
    transport.readable.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    transport.readable.once('end', () => {
      void this.#onEnd();
    });
    const onError = (error: Error): void => {
      // A broken pipe is told by the end of the stream too, and better there.
      setImmediate(() => {
        this.#fail(new AppError('PROTO_CLOSED', `signer: ${messageOf(error)}`, { cause: error }));
      });
    };
    transport.readable.on('error', onError);
    transport.writable.on('error', onError);
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get algorithm(): string {
    return this.#facts.algorithm;
  }

  get thumbprint(): string {
    return this.#facts.thumbprint;
  }

  get jwk(): PublicJwk | undefined {
    return this.#facts.jwk;
  }

  get keyId(): string | undefined {
    return this.#facts.keyId;
  }

  get #facts(): SignerGreeting {
    if (this.#greeting === undefined) {
      throw new AppError('PROTO_GREETING', 'signer: has not greeted yet');
    }
    return this.#greeting;
  }

  /** False once the connection has failed or was closed. */
  get isUsable(): boolean {
    return this.#failure === undefined;
  }

  /** Waits for the greeting; called once, by `openSigner`. */
  greet(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onGreeting = { resolve, reject };
      const isSocket = this.#options.config.kind === 'socket';
      this.#clock.awaitGreeting(timeoutMs, isSocket ? SOCKET_HINT : COMMAND_HINT);
    });
  }

  sign(protectedPart: string, payloadPart: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#pending.push({ input: `${protectedPart}.${payloadPart}`, resolve, reject });
      this.#transport.writable.write(this.#session.formatRequest(protectedPart, payloadPart));
      if (this.#pending.length === 1) {
        this.#awaitNextReply();
      }
    });
  }

  async close(): Promise<void> {
    this.#fail(new AppError('PROTO_CLOSED', 'signer: the connection is closed'));
    await this.#transport.close();
  }

  readonly #onAbort = (): void => {
    const { reason } = this.#options.signal as { reason: unknown };
    this.#fail(
      reason instanceof AppError ? reason : new AppError('CLIENT_SIGNER', messageOf(reason)),
    );
  };

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) {
      return;
    }
    try {
      for (const event of this.#session.receive(chunk)) {
        this.#onEvent(event);
      }
    } catch (error) {
      this.#fail(error instanceof AppError ? error : new AppError('PROTO_REPLY', messageOf(error)));
    }
  }

  #onEvent(event: ClientSessionEvent): void {
    if (event.kind === 'greeting') {
      this.#greeting = event.greeting;
      const { jwk } = event.greeting;
      this.#publicKey = jwk === undefined ? undefined : publicKeyOfJwk(jwk);
      if (event.write !== '') {
        this.#transport.writable.write(event.write);
      }
      this.#onGreeting?.resolve();
      this.#awaitNextReply();
      return;
    }
    if (event.kind === 'notice') {
      // The signer knows better than our clock what is waited for.
      this.#clock.forgetSlow();
      this.#options.report(`signer: ${event.detail}`);
      return;
    }
    const request = this.#pending.shift();
    if (event.kind === 'refusal') {
      request?.reject(event.error);
    } else if (event.kind === 'signature' && request?.input !== undefined) {
      this.#deliver(request, request.input, event.signature);
    }
    this.#awaitNextReply();
  }

  #deliver(request: PendingReply, input: string, signature: string): void {
    const isRight =
      this.#publicKey === undefined ||
      verifySignature(
        this.#facts.algorithm,
        this.#publicKey,
        Buffer.from(input),
        decodeBase64Url(signature),
      );
    if (isRight) {
      request.resolve(signature);
    } else {
      request.reject(
        new AppError('PROTO_REPLY', 'signer: its signature does not verify with its public key'),
      );
    }
  }

  #awaitNextReply(): void {
    const [next] = this.#pending;
    if (this.#failure !== undefined) {
      this.#clock.stop();
    } else if (next === undefined) {
      this.#clock.rest(this.#options.pingIntervalMs ?? PING_INTERVAL_MS);
    } else {
      this.#clock.awaitReply(this.#options.signTimeoutMs ?? SIGN_TIMEOUT_MS);
    }
  }

  /**
   * Orders may take longer than the signer keeps a silent client; one without the extension keeps
   * it.
   */
  #ping(): void {
    const line = this.#session.formatPing();
    if (line !== undefined) {
      const ignore = (): void => undefined; // a failure is told to the next request
      this.#pending.push({ input: undefined, resolve: ignore, reject: ignore });
      this.#transport.writable.write(line);
      this.#awaitNextReply();
    }
  }

  async #onEnd(): Promise<void> {
    const end = this.#session.explainEnd();
    const reason = await this.#transport.explainEnd();
    this.#fail(
      reason === undefined
        ? end
        : new AppError(end.code, `${end.message}: ${printable(reason, 300)}`, { hint: end.hint }),
    );
  }

  /** The first failure is the one everybody gets, now and later. */
  #fail(error: AppError): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#clock.stop();
    this.#failure ??= error;
    this.#onGreeting?.reject(this.#failure);
    for (const request of this.#pending.splice(0)) {
      request.reject(this.#failure);
    }
  }
}
