// Signed requests, RFC 8555 §6.2. Runs in claviger; the account's signer makes each signature. Each
// attempt is signed anew, since its nonce can be used once.

import type * as v from 'valibot';
import { encodeBase64Url } from '../../lib/base64url.js';
import { AppError } from '../../lib/errors.js';
import type { HttpResponse } from './http.js';
import { parseBody } from './json.js';
import { problemOf } from '../problem.js';
import { Retries } from './retries.js';
import type { AccountSession, AcmeSession } from '../session.js';

interface SignedRequest {
  readonly url: URL;
  /** Undefined: POST-as-GET, an empty payload (§6.3). */
  readonly payload: object | undefined;
  /** Subject of error messages: `new order`, ... */
  readonly what: string;
  readonly accept?: string;
  /** True for a change that may be made twice. Reading always may. */
  readonly isRepeatable?: boolean;
  /** True for a URL the server has just handed out, which one of its replicas may not know yet. */
  readonly mayLag?: boolean;
}

/** How the protected header names the signer, RFC 8555 §6.2. */
type Identification = { readonly kid: string } | { readonly jwk: object };

/**
 * Sends a request signed by the account, which its URL identifies (`kid`). Returns the answer of a
 * 2xx status.
 * @throws ServerProblem, HttpTrouble, and what the signer and `AcmeHttp.request` throw
 */
export async function postAsAccount(
  session: AccountSession,
  request: SignedRequest,
): Promise<HttpResponse> {
  return await post(session, request, { kid: session.accountUrl });
}

/**
 * The same for newAccount, where the public key identifies the signer (`jwk`).
 * @throws AppError ACME_UNSUPPORTED for a signer that does not give its public key
 */
export async function postAsKey(
  session: AcmeSession,
  request: SignedRequest,
): Promise<HttpResponse> {
  const { jwk } = session.signer;
  if (jwk === undefined) {
    const message = `${request.what}: the signer does not give its public key`;
    throw new AppError('ACME_UNSUPPORTED', message, {
      hint: 'it runs in key-ID-only mode, where the account cannot be managed; ask its administrator',
    });
  }
  return await post(session, request, { jwk });
}

/** A resource, and the answer it came in. */
interface Resource<T> {
  readonly value: T;
  readonly response: HttpResponse;
}

/** Reads a resource by POST-as-GET, RFC 8555 §6.3. @throws as `postAsAccount`, ACME_INVALID */
export async function readResource<TSchema extends v.GenericSchema>(
  session: AccountSession,
  schema: TSchema,
  request: Omit<SignedRequest, 'payload' | 'isRepeatable'>,
): Promise<Resource<v.InferOutput<TSchema>>> {
  const response = await postAsAccount(session, { ...request, payload: undefined });
  return { value: parseBody(schema, response, request.what), response };
}

async function post(
  session: AcmeSession,
  request: SignedRequest,
  identification: Identification,
): Promise<HttpResponse> {
  const retries = new Retries(session, {
    isRepeatable: request.payload === undefined || request.isRepeatable === true,
    mayLag: request.mayLag === true,
  });
  for (;;) {
    const body = await signBody(session, request, identification);
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
async function signBody(
  { signer, nonces }: AcmeSession,
  { url, payload }: SignedRequest,
  identification: Identification,
): Promise<string> {
  const protectedPart = encodeJson({
    alg: signer.algorithm,
    ...identification,
    nonce: await nonces.take(),
    url: url.href,
  });
  const payloadPart = payload === undefined ? '' : encodeJson(payload);
  const signature = await signer.sign(protectedPart, payloadPart);
  return JSON.stringify({ protected: protectedPart, payload: payloadPart, signature });
}

function encodeJson(value: object): string {
  return encodeBase64Url(Buffer.from(JSON.stringify(value), 'utf8'));
}
