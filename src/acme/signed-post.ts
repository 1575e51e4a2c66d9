// Signed requests, RFC 8555 §6.2, and the one loop that ever repeats a request. Runs in the client.
// Repeated are: a rejected nonce (§6.5), a server asking for a short pause (503, 429 with
// Retry-After), and a read whose connection broke. A change that may have happened is never repeated.

import { encodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { isConnectionReset, type HttpResponse } from './http.js';
import { isProblem, parseProblem, ServerProblem } from './problem.js';
import { parseRetryAfter } from './retry-after.js';
import type { AcmeSession } from './session.js';

/** With every seventh nonce rejected, eight tries fail once in four million requests. */
const MAX_ATTEMPTS = 8;
/** A longer pause asked for by a busy server is reported, not waited for. */
const MAX_PAUSE_MS = 30_000;
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);

export interface SignedRequest {
  readonly url: URL;
  /** Undefined: POST-as-GET, an empty payload (§6.3). */
  readonly payload: object | undefined;
  /** Whom the request comes from: the account URL, or undefined for the key itself (§6.2). */
  readonly accountUrl: string | undefined;
  /** Subject of error messages: `new order`, ... */
  readonly what: string;
  readonly accept?: string;
}

/**
 * Signs and sends a request; gives the answer of a 2xx status.
 * @throws ServerProblem, and what the signer and `AcmeHttp.request` throw
 */
export async function postSigned(
  session: AcmeSession,
  request: SignedRequest,
): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt += 1) {
    const failure = await tryOnce(session, request);
    if ('response' in failure) {
      return failure.response;
    }
    const pauseMs = attempt < MAX_ATTEMPTS ? pauseBefore(session, request, failure) : undefined;
    if (pauseMs === undefined) {
      throw failure.error;
    }
    if (pauseMs > 0) {
      session.report(`the server is busy and asks to wait ${Math.ceil(pauseMs / 1000)} s`);
      await session.timing.sleep(pauseMs);
    }
  }
}

interface Failure {
  readonly error: unknown;
  /** What the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

async function tryOnce(
  session: AcmeSession,
  request: SignedRequest,
): Promise<{ readonly response: HttpResponse } | Failure> {
  const body = await signBody(session, request);
  let response: HttpResponse;
  try {
    response = await session.http.request({
      method: 'POST',
      url: request.url,
      body,
      ...(request.accept === undefined ? {} : { accept: request.accept }),
    });
  } catch (error) {
    return { error, retryAfterMs: undefined };
  }
  session.nonces.offer(response);
  if (response.status >= 200 && response.status < 300) {
    return { response };
  }
  return {
    error: new ServerProblem(request.what, parseProblem(response), response.status),
    retryAfterMs: parseRetryAfter(response.headers.get('retry-after'), session.timing.now()),
  };
}

/** The flattened JWS, RFC 7515 §7.2.2, with the header members of RFC 8555 §6.2. */
async function signBody(session: AcmeSession, request: SignedRequest): Promise<string> {
  const { signer } = session;
  if (request.accountUrl === undefined && signer.jwk === undefined) {
    throw new AppError(
      'ACME_UNSUPPORTED',
      `${request.what}: the signer does not give its public key`,
      {
        hint: 'it runs in key-ID-only mode, where the account cannot be managed; ask its administrator',
      },
    );
  }
  const header = {
    alg: signer.algorithm,
    ...(request.accountUrl === undefined ? { jwk: signer.jwk } : { kid: request.accountUrl }),
    nonce: await session.nonces.take(),
    url: request.url.href,
  };
  const protectedPart = encodeJson(header);
  const payload = request.payload === undefined ? '' : encodeJson(request.payload);
  const signature = await signer.sign(protectedPart, payload);
  return JSON.stringify({ protected: protectedPart, payload, signature });
}

function encodeJson(value: object): string {
  return encodeBase64Url(Buffer.from(JSON.stringify(value), 'utf8'));
}

/** Milliseconds to wait before trying again, or undefined when the failure is final. */
function pauseBefore(
  session: AcmeSession,
  request: SignedRequest,
  { error, retryAfterMs }: Failure,
): number | undefined {
  if (isProblem(error, 'badNonce')) {
    return 0; // its answer brought a fresh nonce
  }
  if (isConnectionReset(error)) {
    return request.payload === undefined ? 0 : undefined;
  }
  const isBusy = error instanceof ServerProblem && BUSY_STATUSES.has(error.status);
  const leftMs = session.deadlineMs - session.timing.now();
  return isBusy && retryAfterMs !== undefined && retryAfterMs <= Math.min(MAX_PAUSE_MS, leftMs)
    ? Math.max(retryAfterMs, 1)
    : undefined;
}
