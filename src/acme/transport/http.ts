// HTTPS to the ACME server: the only file of acme/ that opens a connection. Runs in claviger. What
// it reads is not trusted: sizes and times are bounded, redirects are refused (RFC 8555 has none,
// and a signed request must not reach another server), and the certificate is always verified.

import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { connectionError, timedOut, tooLarge } from './http-trouble.js';

/** Bytes of any JSON answer. A directory or an order of 100 names stays far below. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** For one request and its whole answer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** For a connection with its TLS handshake. */
const CONNECT_TIMEOUT_MS = 10_000;
/** For one address of several. Node's default of 250 ms is too short for a distant server. */
const ADDRESS_TIMEOUT_MS = 2_500;
/** Connections to one server; further requests wait until one is free. */
const MAX_CONNECTIONS = 8;

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** A flattened JWS as JSON text. */
  readonly body?: string;
  readonly accept?: string;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; of a repeated header the first value. */
  readonly headers: ReadonlyMap<string, string>;
  /** The values of all Link headers (RFC 8288). */
  readonly links: readonly string[];
  readonly body: Buffer;
}

export interface HttpOptions {
  /** PEM of the authorities for the HTTPS connection, in place of Node's own list. */
  readonly authorities: string | undefined;
  readonly userAgent: string;
  /** Aborts all requests; its reason is then thrown to their callers. */
  readonly signal: AbortSignal;
}

/** A bounded HTTPS client. */
export class AcmeHttp {
  readonly #options: HttpOptions;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };

  constructor(options: HttpOptions) {
    this.#options = options;
    const limits = {
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
    };
    const { authorities } = options;
    const ca = authorities === undefined ? {} : { ca: authorities };
    this.#agents = {
      http: new HttpAgent(limits),
      https: new HttpsAgent({ ...limits, ...ca, rejectUnauthorized: true }),
    };
  }

  /**
   * Sends one request and reads the whole answer, whatever its status.
   * @throws HttpTrouble (unreachable, TLS, reset: ACME_CONNECTION; too late: ACME_TIMEOUT), or
   *   AppError ACME_INVALID (too large, redirect)
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    this.#options.signal.throwIfAborted();
    try {
      const answer = await this.#exchange(request);
      return acceptResponse(request, answer);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw error;
    }
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  #exchange(request: HttpRequest): Promise<Answer> {
    const { url, method, body } = request;
    const isSecure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      let isSent = false;
      const outgoing = (isSecure ? requestHttps : requestHttp)(url, {
        method,
        agent: isSecure ? this.#agents.https : this.#agents.http,
        headers: this.#headers(request),
        maxHeaderSize: MAX_HEADER_BYTES,
        signal: this.#options.signal,
      });
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        clearTimeout(connectTimer);
        reject(error instanceof AppError ? error : connectionError(url, error, isSent));
        outgoing.destroy();
      };
      const timer = setTimeout(() => {
        fail(timedOut(url, `no complete answer within ${REQUEST_TIMEOUT_MS / 1000} s`, isSent));
      }, REQUEST_TIMEOUT_MS);
      let connectTimer: NodeJS.Timeout | undefined;
      outgoing.once('socket', (socket) => {
        if (outgoing.reusedSocket) {
          isSent = true;
          return;
        }
        connectTimer = setTimeout(() => {
          fail(timedOut(url, `no connection within ${CONNECT_TIMEOUT_MS / 1000} s`, false));
        }, CONNECT_TIMEOUT_MS);
        socket.once(isSecure ? 'secureConnect' : 'connect', () => {
          clearTimeout(connectTimer);
          isSent = true;
        });
      });
      outgoing.on('error', fail);
      outgoing.once('response', (incoming) => {
        const done = (answer: Answer): void => {
          clearTimeout(timer);
          resolve(answer);
        };
        readAnswer(url, incoming, done, fail);
      });
      outgoing.end(body);
    });
  }

  #headers(request: HttpRequest): Record<string, string> {
    return {
      'user-agent': this.#options.userAgent, // RFC 8555 §6.1 wants one
      'accept-language': 'en', // RFC 8555 §6.1
      ...(request.accept === undefined ? {} : { accept: request.accept }),
      ...(request.body === undefined
        ? {}
        : {
            'content-type': 'application/jose+json',
            'content-length': String(Buffer.byteLength(request.body)),
          }),
    };
  }
}

interface Answer {
  readonly incoming: IncomingMessage;
  readonly body: Buffer;
}

function readAnswer(
  url: URL,
  incoming: IncomingMessage,
  done: (answer: Answer) => void,
  fail: (error: unknown) => void,
): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      fail(tooLarge(url));
    } else {
      chunks.push(chunk);
    }
  });
  incoming.on('error', fail);
  incoming.once('end', () => {
    done({ incoming, body: Buffer.concat(chunks) });
  });
}

function acceptResponse(request: HttpRequest, { incoming, body }: Answer): HttpResponse {
  const headers = new Map<string, string>();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    const first = values?.[0];
    if (first !== undefined) {
      headers.set(name, first);
    }
  }
  const status = incoming.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    const target = printable(headers.get('location') ?? 'nowhere', 200);
    throw new AppError(
      'ACME_INVALID',
      `${request.url.href}: the server redirects to ${target}, which is refused`,
      { hint: 'give the final URL of the directory as the server' },
    );
  }
  return { status, headers, links: incoming.headersDistinct['link'] ?? [], body };
}
