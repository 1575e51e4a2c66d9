// A signing service whose verdicts follow from the text of a line, and whose signatures come when
// the test says so. Used by unit tests only.

import type { Client } from '../../../src/keys/account-key.js';
import type { DecidedRequest } from '../../../src/daemon/decision-record.js';
import type {
  Admission,
  LineService,
  Peer,
  Refused,
  SigningOutcome,
} from '../../../src/daemon/signing-service.js';
import type { Refusal, RefusalCode } from '../../../src/protocol/refusal.js';
import { settle } from './stream-double.js';

interface Job {
  readonly peer: Peer;
  readonly settle: (outcome: SigningOutcome) => void;
}

export class SigningDouble implements LineService {
  /** Lines that were admitted, in order. */
  readonly admitted: string[] = [];
  /** Lines that were refused, as `denied no` or `busy a`. */
  readonly refused: string[] = [];
  /** Errors of bytes that were no line. */
  readonly lineErrors: string[] = [];
  readonly cancelled: string[] = [];
  readonly #jobs = new Map<string, Job>();
  /** Set, refusals wait for `releaseRefusals`. */
  holdsRefusals = false;
  #held: (() => void)[] = [];

  /** Refuses lines that begin with `no`, and all for which there is no place. */
  admit(line: Buffer, connection: string, hasPlace = true): Admission {
    const text = line.toString('latin1');
    const code = text.startsWith('no') ? 'denied' : 'busy';
    if (code === 'denied' || !hasPlace) {
      this.refused.push(`${code} ${text}`);
      return this.#refusal(code);
    }
    this.admitted.push(text);
    return { kind: 'approved', request: requestOf(text, connection) };
  }

  refuseLine(error: string): void {
    this.lineErrors.push(error);
  }

  sign({ input }: DecidedRequest, peer: Peer): Promise<SigningOutcome> {
    return new Promise((resolve) => {
      this.#jobs.set(input.bytes.toString('latin1'), { peer, settle: resolve });
    });
  }

  cancel({ connection }: Client): void {
    this.cancelled.push(connection);
  }

  /** Signs a line that was admitted: the signature is `sig-` and the line. */
  async answer(text: string): Promise<void> {
    this.#jobs.get(text)?.settle({ kind: 'signature', signature: `sig-${text}` });
    await settle();
  }

  /** Refuses a line after it was admitted. */
  async refuse(text: string, code: RefusalCode): Promise<void> {
    this.#jobs.get(text)?.settle(this.#refusal(code));
    await settle();
  }

  /** The token takes long. */
  notify(text: string): void {
    this.#jobs.get(text)?.peer.onNotice?.();
  }

  /** Whether the client that asked for a line has disconnected. */
  isGone(text: string): boolean | undefined {
    return this.#jobs.get(text)?.peer.isGone?.();
  }

  async releaseRefusals(): Promise<void> {
    this.holdsRefusals = false;
    const held = this.#held;
    this.#held = [];
    held.forEach((release) => {
      release();
    });
    await settle();
  }

  #refusal(code: RefusalCode): Refused {
    const refusal: Refusal = { code, detail: 'no' };
    const reply = this.holdsRefusals
      ? new Promise<Refusal>((resolve) => {
          this.#held.push(() => {
            resolve(refusal);
          });
        })
      : Promise.resolve(refusal);
    return { kind: 'refused', reply };
  }
}

function requestOf(text: string, connection: string): DecidedRequest {
  const header = { alg: 'ES256', url: 'https://ca.example/', nonce: 'n', jwk: undefined };
  return {
    connection,
    input: {
      bytes: Buffer.from(text, 'latin1'),
      header: { ...header, kid: 'https://ca.example/a/1' },
      payload: undefined,
    },
    decision: {
      verdict: { kind: 'approved', rule: 'all-operations' },
      request: undefined,
      unread: undefined,
      budgets: [],
    },
  };
}
