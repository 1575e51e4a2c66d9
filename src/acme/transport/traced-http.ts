// Traces each request to the ACME server, its status and its time, for --debug. Runs in claviger.
// Of a request the line has method and URL alone: what is signed, and the signature, stay out.

import { messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { AcmeHttp, type HttpOptions, type HttpRequest, type HttpResponse } from './http.js';
import { formatProblem, parseProblem } from '../problem.js';

const FIRST_ERROR_STATUS = 400;

export class TracedHttp extends AcmeHttp {
  readonly #trace: (line: string) => void;

  /** @param trace takes one line */
  constructor(options: HttpOptions, trace: (line: string) => void) {
    super(options);
    this.#trace = trace;
  }

  override async request(request: HttpRequest): Promise<HttpResponse> {
    const started = performance.now();
    const trace = (outcome: string): void => {
      const ms = Math.round(performance.now() - started);
      this.#trace(`${request.method} ${request.url.href}: ${outcome}, ${ms} ms`);
    };
    try {
      const response = await super.request(request);
      trace(outcomeOf(response));
      return response;
    } catch (error) {
      trace(`failed: ${messageOf(error)}`);
      throw error;
    }
  }
}

/** Status, problem, size, and the time that the server asks to wait. */
function outcomeOf(response: HttpResponse): string {
  const { status, headers, body } = response;
  const retryAfter = headers.get('retry-after');
  const problem =
    status < FIRST_ERROR_STATUS ? '' : ` ${formatProblem(parseProblem(response), status)}`;
  const wait = retryAfter === undefined ? '' : `, Retry-After: ${retryAfter}`;
  return printable(`${status}${problem}, ${body.length} bytes${wait}`.replaceAll('\n', ';'));
}
