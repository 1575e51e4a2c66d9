// A token helper that answers requests as a test says, in the place of its process. Used by unit
// tests only: what a real token does, integration tests show.

import type { RequestChannel } from '../../../src/keys/helper/helper-client.js';
import type { GoodResult } from '../../../src/keys/helper/pending-requests.js';
import type { HelperRequest } from '../../../src/token/messages.js';

/** The result of a request, or the error with which it fails. */
export type Script = (request: HelperRequest) => GoodResult | Error;

export class ScriptedHelper implements RequestChannel {
  readonly pid = 1;
  readonly requests: HelperRequest[] = [];
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  /** The names of all requests so far. */
  get operations(): string[] {
    return this.requests.map(({ op }) => op);
  }

  request(request: HelperRequest): Promise<GoodResult> {
    this.requests.push(request);
    const result = this.#script(request);
    return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  kill(): void {
    // there is no process
  }
}
