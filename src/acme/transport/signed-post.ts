// Signed requests, RFC 8555 §6.2. Runs in the client. Each try is signed anew, for its nonce is
// spent.

import { encodeBase64Url } from '../../lib/base64url.js';
import { AppError } from '../../lib/errors.js';
import type { HttpResponse } from './http.js';
import { problemOf } from '../problem.js';
import { Retries } from './retries.js';
import type { AcmeSession } from '../session.js';

export interface SignedRequest {
  readonly url: URL;
  /** Undefined: POST-as-GET, an empty payload (§6.3). */
  readonly payload: object | undefined;
  /** Whom the request comes from: the account URL, or undefined for the key itself (§6.2). */
  readonly accountUrl: string | undefined;
  /** Subject of error messages: `new order`, ... */
  readonly what: string;
  readonly accept?: string;
  /** True for a change that may be made twice. Reading always may. */
  readonly isRepeatable?: boolean;
  /** True for a URL the server has just handed out, which one of its replicas may not know yet. */
  readonly mayLag?: boolean;
}

/**
 * Signs and sends a request; gives the answer of a 2xx status.
 * @throws ServerProblem, HttpTrouble, and what the signer and `AcmeHttp.request` throw
 */
export async function postSigned(
  session: AcmeSession,
  request: SignedRequest,
): Promise<HttpResponse> {
  const retries = new Retries(session, {
    isRepeatable: request.payload === undefined || request.isRepeatable === true,
    mayLag: request.mayLag === true,
  });
  for (;;) {
    const body = await signBody(session, request);
    try {
      return await sendOnce(session, request, body);
    } catch (error) {
      await retries.pauseAfter(error);
    }
  }
}

async function sendOnce(
  session: AcmeSession,
  request: SignedRequest,
  body: string,
): Promise<HttpResponse> {
  const response = await session.http.request({
    method: 'POST',
    url: request.url,
    body,
    ...(request.accept === undefined ? {} : { accept: request.accept }),
  });
  session.nonces.offer(response);
  if (response.status >= 200 && response.status < 300) {
    return response;
  }
  const hasFixedAccount = session.signer.jwk === undefined;
  throw problemOf(request.what, response, session.timing.now(), { hasFixedAccount });
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
