// Explains an answer at a directory's URL that is no directory. Pure; runs in claviger.

import { AppError } from '../lib/errors.js';
import type { HttpResponse } from './transport/http.js';

const DIRECTORY_HINT =
  "--server is the URL of the authority's ACME directory, as its documentation gives it; that of Let's Encrypt is https://acme-v02.api.letsencrypt.org/directory";
/** Enough for a byte order mark, blanks, and the first tag. */
const BEGINNING_BYTES = 200;

/**
 * Refuses a web page: a host without ACME that answers every URL is the most likely mistake.
 * @throws AppError ACME_INVALID
 */
export function assertNoWebPage(url: URL, { headers, body }: HttpResponse): void {
  const type = headers.get('content-type') ?? '';
  const beginning = body.subarray(0, BEGINNING_BYTES).toString('utf8');
  if (/^(?:text\/html|application\/xhtml)/i.test(type) || /^[\s\uFEFF]*</.test(beginning)) {
    throw new AppError(
      'ACME_INVALID',
      `directory ${url.href}: this is a web page, no ACME directory`,
      { hint: DIRECTORY_HINT },
    );
  }
}

/** The hint where an error status shows that the URL is not the one of a directory. */
export function directoryHintFor(status: number): string | undefined {
  return status >= 400 && status < 500 && status !== 429 ? DIRECTORY_HINT : undefined;
}
