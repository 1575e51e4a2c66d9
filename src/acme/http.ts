// HTTPS to the ACME server: the only file that imports undici, and only when a request is due.
// Runs in the client. It trusts nothing it reads: sizes and times are bounded, redirects are refused
// (RFC 8555 has none, and a signed request must not travel on), the certificate is always verified.

import type { Agent, Dispatcher } from 'undici';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

/** Bytes of any JSON answer. A directory or an order of 100 names stays far below. */
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** One request and its whole answer. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** Connections to one server; further requests wait for one of them. */
const MAX_CONNECTIONS = 8;

/** What a lost connection looks like: the server closed an idle connection just as it was used again. */
const RESET_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
const TIMEOUT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);

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
  readonly body: Buffer;
}

export interface HttpOptions {
  /** PEM of the authorities for the HTTPS connection, in place of Node's own list. */
  readonly authorities: string | undefined;
  readonly userAgent: string;
  /** Aborts everything under way; its reason is what callers then see. */
  readonly signal: AbortSignal;
}

/** A bounded HTTPS client. */
export class AcmeHttp {
  readonly #options: HttpOptions;
  #agent: Promise<Agent> | undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * Sends one request and reads the whole answer, whatever its status.
   * @throws AppError ACME_CONNECTION (unreachable, TLS, reset), ACME_TIMEOUT, or ACME_INVALID (too
   *   large, redirect)
   */
  async request(request: HttpRequest): Promise<HttpResponse> {
    this.#agent ??= openAgent(this.#options.authorities);
    const agent = await this.#agent;
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    try {
      const answer = await agent.request({
        origin: request.url.origin,
        path: request.url.pathname + request.url.search,
        method: request.method,
        headers: this.#headers(request),
        body: request.body ?? null,
        signal: AbortSignal.any([this.#options.signal, timeout]),
      });
      const body = Buffer.from(await answer.body.arrayBuffer());
      return acceptResponse(request, answer, body);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw timeout.aborted ? timedOut(request.url) : connectionError(request.url, error);
    }
  }

  async close(): Promise<void> {
    const agent = await this.#agent;
    await agent?.destroy();
  }

  #headers(request: HttpRequest): Record<string, string> {
    return {
      'user-agent': this.#options.userAgent, // RFC 8555 §6.1 wants one
      'accept-language': 'en', // RFC 8555 §6.1
      ...(request.accept === undefined ? {} : { accept: request.accept }),
      ...(request.body === undefined ? {} : { 'content-type': 'application/jose+json' }),
    };
  }
}

/** True when the connection broke, and nothing says whether the server saw the request. */
export function isConnectionReset(error: unknown): boolean {
  return (
    error instanceof AppError &&
    error.code === 'ACME_CONNECTION' &&
    RESET_CODES.has(systemCodeOf(error.cause) ?? '')
  );
}

async function openAgent(authorities: string | undefined): Promise<Agent> {
  const undici = await import('undici');
  return new undici.Agent({
    connections: MAX_CONNECTIONS,
    pipelining: 1,
    maxResponseSize: MAX_BODY_BYTES,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
    connect: {
      timeout: CONNECT_TIMEOUT_MS,
      rejectUnauthorized: true,
      ...(authorities === undefined ? {} : { ca: authorities }),
    },
  });
}

function acceptResponse(
  request: HttpRequest,
  answer: Dispatcher.ResponseData,
  body: Buffer,
): HttpResponse {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(answer.headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) {
      headers.set(name.toLowerCase(), first);
    }
  }
  if (answer.statusCode >= 300 && answer.statusCode < 400) {
    const target = printable(headers.get('location') ?? 'nowhere', 200);
    throw new AppError(
      'ACME_INVALID',
      `${request.url.href}: the server redirects to ${target}, which is refused`,
      { hint: 'give the final URL of the directory as the server' },
    );
  }
  return { status: answer.statusCode, headers, body };
}

function timedOut(url: URL): AppError {
  const seconds = REQUEST_TIMEOUT_MS / 1000;
  return new AppError('ACME_TIMEOUT', `${url.host}: no complete answer within ${seconds} s`);
}

function connectionError(url: URL, error: unknown): AppError {
  if (error instanceof AppError) {
    return error;
  }
  const code = systemCodeOf(error) ?? '';
  if (TIMEOUT_CODES.has(code)) {
    return new AppError('ACME_TIMEOUT', `${url.host}: ${messageOf(error)}`, { cause: error });
  }
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new AppError('ACME_INVALID', `${url.host}: the answer is too large`, { cause: error });
  }
  return new AppError('ACME_CONNECTION', `${url.host}: ${describe(error)}`, {
    cause: error,
    hint: hintFor(code),
  });
}

/** Node tries several addresses and then throws an AggregateError without a message of its own. */
function describe(error: unknown): string {
  const all = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : '';
  return printable(all === '' ? messageOf(error) : all);
}

function hintFor(code: string): string | undefined {
  switch (code) {
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'for a server with a private authority, name its certificate with --server-ca-file';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the server name does not resolve: check --server and the DNS of this machine';
    case 'ECONNREFUSED':
      return 'nothing listens there: check --server';
    default:
      return undefined;
  }
}
