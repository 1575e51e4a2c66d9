// The server's directory, RFC 8555 §7.1.1: the URLs of its resources. Runs in claviger.

import * as v from 'valibot';
import type { AcmeHttp, HttpResponse } from './transport/http.js';
import { assertNoWebPage, directoryHintFor } from './directory-answer.js';
import { parseBody } from './transport/json.js';
import { problemOf } from './problem.js';
import { readPatiently, type WaitContext } from './transport/retries.js';
import { parseServerUrl } from './transport/server-url.js';

const directorySchema = v.object({
  newNonce: v.string(),
  newAccount: v.string(),
  newOrder: v.string(),
  /** Only a revocation needs it, and some authorities have none. */
  revokeCert: v.nullish(v.string()),
  meta: v.nullish(
    v.object({
      termsOfService: v.nullish(v.string()),
      externalAccountRequired: v.nullish(v.boolean()),
    }),
    {},
  ),
});

export interface Directory {
  readonly url: URL;
  readonly newNonce: URL;
  readonly newAccount: URL;
  readonly newOrder: URL;
  /** Undefined where certificates cannot be revoked by ACME. */
  readonly revokeCert: URL | undefined;
  /** Foreign text: shown, never fetched. */
  readonly termsOfService: string | undefined;
  readonly isExternalAccountRequired: boolean;
}

/**
 * Fetches and checks the directory.
 * @throws AppError ACME_INVALID when it is not a directory, ServerProblem, and what the request
 *   throws
 */
export async function fetchDirectory(
  http: Pick<AcmeHttp, 'request'>,
  url: URL,
  context: WaitContext,
): Promise<Directory> {
  const send = async (): Promise<HttpResponse> => {
    const answer = await http.request({ method: 'GET', url, accept: 'application/json' });
    if (answer.status !== 200) {
      const hint = directoryHintFor(answer.status);
      throw problemOf(`directory ${url.href}`, answer, context.timing.now(), { hint });
    }
    return answer;
  };
  const response = await readPatiently(context, send, { isFirstContact: true });
  assertNoWebPage(url, response);
  const body = parseBody(directorySchema, response, `directory ${url.href}`);
  return {
    url,
    newNonce: parseServerUrl(body.newNonce, url, 'newNonce'),
    newAccount: parseServerUrl(body.newAccount, url, 'newAccount'),
    newOrder: parseServerUrl(body.newOrder, url, 'newOrder'),
    revokeCert:
      typeof body.revokeCert === 'string'
        ? parseServerUrl(body.revokeCert, url, 'revokeCert')
        : undefined,
    termsOfService: body.meta.termsOfService ?? undefined,
    isExternalAccountRequired: body.meta.externalAccountRequired ?? false,
  };
}
