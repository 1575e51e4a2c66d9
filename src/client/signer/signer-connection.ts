// The account's signer as the ACME core uses it, over one connection. Runs in claviger. One
// connection only, since lacme-accountd serves one client at a time: requests are pipelined on it,
// and the replies come in order. Where the public key is known every signature is verified.

import type { AccountSigner } from '../../acme/account-signer.js';
import type { SignerConfig } from '../../config/client/config.js';
import type { PublicJwk } from '../../jose/public-jwk.js';
import { AppError, asAppError, rephrase } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { systemTimers, type Timers } from '../../lib/timers.js';
import { ClientSession, type ClientSessionEvent } from '../../protocol/client-session.js';
import type { SignerGreeting } from '../../protocol/signer-greeting.js';
import { PendingReplies, type PendingReply } from './pending-replies.js';
import { ReplyTimers } from './reply-timers.js';
import { signatureCheckFor, type SignatureCheck } from './signature-check.js';
import { connectSocket, spawnSigner, type SignerTransport } from './signer-transport.js';

/** ssh may ask for a passphrase, and clavigerd --stdio for a PIN, before the greeting. */
const COMMAND_GREETING_TIMEOUT_MS = 120_000;
const SOCKET_GREETING_TIMEOUT_MS = 30_000;
/** Longer than the signer's own limit, so that its reply comes first. */
const SIGN_TIMEOUT_MS = 120_000;
/** Far below the idle-timeout of clavigerd, whose default is ten minutes. */
const PING_INTERVAL_MS = 60_000;

const SOCKET_HINT = 'does it serve another client?';
const COMMAND_HINT = 'run the command of --signer-command by hand: a signer says "1 OK" at once';

interface SignerOptions {
  readonly config: SignerConfig;
  readonly signal: AbortSignal;
  /** Milliseconds until the greeting, and until each signature; both have defaults. */
  readonly greetingTimeoutMs?: number;
  readonly signTimeoutMs?: number;
  /** Milliseconds without a request after which a ping keeps the connection open. */
  readonly pingIntervalMs?: number;
  report(line: string): void;
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
  readonly #pending = new PendingReplies();
  #greeting: SignerGreeting | undefined;
  #isRight: SignatureCheck = () => false;
  #onGreeting: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #failure: AppError | undefined;
  readonly #timers: ReplyTimers;

  constructor(transport: SignerTransport, options: SignerOptions, timers: Timers = systemTimers) {
    const onLate = this.#fail.bind(this);
    const onSlow = (): void => {
      options.report('waiting for the signer; its token may want a touch or a PIN');
    };
    this.#timers = new ReplyTimers({ onLate, onSlow, onRest: this.#ping.bind(this) }, timers);
    this.#transport = transport;
    this.#options = options;
    transport.readable.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    transport.readable.once('end', () => {
      void this.#onEnd();
    });
    const onError = (error: Error): void => {
      // The end of the stream explains a broken pipe better, and comes within this turn.
      setImmediate(() => {
        this.#fail(asAppError(error, 'PROTO_CLOSED', 'signer'));
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
      this.#timers.awaitGreeting(timeoutMs, isSocket ? SOCKET_HINT : COMMAND_HINT);
    });
  }

  sign(protectedPart: string, payloadPart: string): Promise<string> {
    if (this.#failure !== undefined) {
      return Promise.reject(this.#failure);
    }
    const signature = this.#pending.addRequest(`${protectedPart}.${payloadPart}`);
    this.#transport.writable.write(this.#session.formatRequest(protectedPart, payloadPart));
    if (this.#pending.count === 1) {
      this.#awaitNextReply();
    }
    return signature;
  }

  async close(): Promise<void> {
    this.#fail(new AppError('PROTO_CLOSED', 'signer: the connection is closed'));
    await this.#transport.close();
  }

  readonly #onAbort = (): void => {
    this.#fail(asAppError(this.#options.signal.reason, 'CLIENT_SIGNER'));
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
      this.#fail(asAppError(error, 'PROTO_REPLY'));
    }
  }

  #onEvent(event: ClientSessionEvent): void {
    if (event.kind === 'greeting') {
      this.#greeting = event.greeting;
      this.#isRight = signatureCheckFor(event.greeting);
      if (event.write !== '') {
        this.#transport.writable.write(event.write);
      }
      this.#onGreeting?.resolve();
      this.#awaitNextReply();
      return;
    }
    if (event.kind === 'notice') {
      // The signer's own notice replaces ours that the reply is slow.
      this.#timers.forgetSlow();
      this.#options.report(`signer: ${event.detail}`);
      return;
    }
    const request = this.#pending.take();
    if (event.kind === 'refusal') {
      request?.reject(event.error);
    } else if (event.kind === 'signature' && request?.input !== undefined) {
      this.#deliver(request, request.input, event.signature);
    }
    this.#awaitNextReply();
  }

  #deliver(request: PendingReply, input: string, signature: string): void {
    if (this.#isRight(input, signature)) {
      request.resolve(signature);
    } else {
      request.reject(
        new AppError('PROTO_REPLY', 'signer: its signature does not verify with its public key'),
      );
    }
  }

  #awaitNextReply(): void {
    if (this.#failure !== undefined) {
      this.#timers.stop();
    } else if (this.#pending.count === 0) {
      this.#timers.rest(this.#options.pingIntervalMs ?? PING_INTERVAL_MS);
    } else {
      this.#timers.awaitReply(this.#options.signTimeoutMs ?? SIGN_TIMEOUT_MS);
    }
  }

  /**
   * Keeps the connection open: an order may take longer than the signer waits for a silent client.
   * A signer without the extension does not end such connections.
   */
  #ping(): void {
    const line = this.#session.formatPing();
    if (line !== undefined) {
      this.#pending.addPing();
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
        : rephrase(end, { message: `${end.message}: ${printable(reason, 300)}` }),
    );
  }

  /** The first failure ends all requests, those that come later too. */
  #fail(error: AppError): void {
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#timers.stop();
    this.#failure ??= error;
    this.#onGreeting?.reject(this.#failure);
    this.#pending.rejectAll(this.#failure);
  }
}
