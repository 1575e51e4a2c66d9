// The server's directory, RFC 8555 §7.1.1: where everything is. Runs in the client.

import * as v from 'valibot';
import type { AcmeHttp, HttpResponse } from './http.js';
import { parseBody } from './json.js';
import { problemOf } from './problem.js';
import { readPatiently, type WaitContext } from './retries.js';
import { parseServerUrl } from './server-url.js';

const directorySchema = v.object({
  newNonce: v.string(),
  newAccount: v.string(),
  newOrder: v.string(),
  revokeCert: v.string(),
  meta: v.optional(
    v.object({
      termsOfService: v.optional(v.string()),
      website: v.optional(v.string()),
      externalAccountRequired: v.optional(v.boolean()),
    }),
    {},
  ),
});

export interface Directory {
  readonly url: URL;
  readonly newNonce: URL;
  readonly newAccount: URL;
  readonly newOrder: URL;
  readonly revokeCert: URL;
  /** Foreign text: shown, never fetched. */
  readonly termsOfService: string | undefined;
  readonly isExternalAccountRequired: boolean;
}

/**
 * Fetches and checks the directory.
 * @throws AppError ACME_INVALID when it is not a directory, ServerProblem, and what the request throws
 */
export async function fetchDirectory(
  http: AcmeHttp,
  url: URL,
  context: WaitContext,
): Promise<Directory> {
  const response = await readPatiently(context, async (): Promise<HttpResponse> => {
    const answer = await http.request({ method: 'GET', url, accept: 'application/json' });
    if (answer.status !== 200) {
      throw problemOf(`directory ${url.href}`, answer, context.timing.now());
    }
    return answer;
  });
  const body = parseBody(directorySchema, response, `directory ${url.href}`);
  return {
    url,
    newNonce: parseServerUrl(body.newNonce, url, 'newNonce'),
    newAccount: parseServerUrl(body.newAccount, url, 'newAccount'),
    newOrder: parseServerUrl(body.newOrder, url, 'newOrder'),
    revokeCert: parseServerUrl(body.revokeCert, url, 'revokeCert'),
    termsOfService: body.meta.termsOfService,
    isExternalAccountRequired: body.meta.externalAccountRequired ?? false,
  };
}
