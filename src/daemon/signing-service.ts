// The daemon's one way from a request line to a signature: parse, classify, decide, charge, sign,
// verify, record, reply. It trusts no line and no key: a signature leaves only after it was
// verified with the public key and its record was written. Runs in the daemon.

import { performance } from 'node:perf_hooks';
import { parseSigningInput, peekUrl, type SigningInput } from '../jose/signing-input.js';
import { verifySignature } from '../jose/signature.js';
import type { AccountKey, Client, KeySignature } from '../keys/account-key.js';
import { encodeBase64Url } from '../lib/base64url.js';
import { AppError, messageOf } from '../lib/errors.js';
import type { LineError } from '../lib/line-splitter.js';
import { decideRequest, type PolicyContext } from '../policy/decide.js';
import { MAX_LINE_BYTES } from '../protocol/limits.js';
import type { Refusal } from '../protocol/refusal.js';
import type { BudgetGate } from './budget-gate.js';
import type { DecidedRequest, DecisionRecord } from './decision-record.js';
import { refusalOf } from './refusal-table.js';

export interface SigningServiceOptions {
  readonly key: AccountKey;
  readonly policy: PolicyContext;
  readonly record: DecisionRecord;
  readonly budgets: BudgetGate;
}

/**
 * Its record may take a while: of the request nothing is kept meanwhile.
 * @prop told resolves when the refusal may leave, to what the client is told of it
 */
export interface Refused {
  readonly kind: 'refused';
  readonly told: Promise<Refusal>;
}

export type Admission =
  /** Exactly the bytes that were decided upon may be signed. */
  { readonly kind: 'approved'; readonly request: DecidedRequest } | Refused;

export type SigningOutcome = { readonly kind: 'signature'; readonly signature: string } | Refused;

/** Who waits for a signature. */
export interface Peer {
  readonly client: Client;
  /** Told once when the signature takes long. */
  readonly onNotice?: () => void;
  /** True once nobody waits any more. */
  readonly isGone?: () => boolean;
}

/** Of a refusal that is not on record no more is said. */
const UNRECORDED: Refusal = { code: 'internal', detail: 'the signer cannot record refusals now' };

const LINE_PROBLEMS: Readonly<Record<LineError, string>> = {
  'line-too-long': `line: longer than ${MAX_LINE_BYTES} bytes`,
  'bare-line-ending': 'line: does not end in CR LF',
  'control-character': 'line: has a NUL in it',
};

export class SigningService {
  readonly #options: SigningServiceOptions;
  #queued = 0;

  constructor(options: SigningServiceOptions) {
    this.#options = options;
  }

  /**
   * Parses a line and decides on it; the record of a refusal is on its way then. Never throws.
   * @param hasPlace false where the queue for the key has none for it: then it is refused as
   *   `busy`, unless it is for another reason
   */
  admit(line: Buffer, connection: string, hasPlace = true): Admission {
    const { policy, record } = this.#options;
    let input: SigningInput;
    try {
      // The one copy: what is parsed here is decided upon, signed, verified and recorded.
      input = parseSigningInput(Buffer.from(line));
    } catch (error) {
      const detail = messageOf(error);
      const recorded = record.malformed(connection, detail, peekUrl(line));
      return refused({ code: 'malformed', detail }, recorded);
    }
    const decision = decideRequest(input, policy);
    const request = { connection, input, decision };
    const { verdict } = decision;
    if (verdict.kind === 'denied') {
      const { policy: name, rule, reason: detail } = verdict;
      const operation = decision.request?.operation;
      const refusal = { code: 'denied', detail, policy: name, rule, operation } as const;
      return refused(refusal, record.denied(request, verdict));
    }
    if (verdict.kind === 'failed') {
      const detail = 'the signer could not decide on the request';
      return refused({ code: 'internal', detail }, record.failed(request, verdict.error));
    }
    if (!hasPlace) {
      const busy = new AppError('SIGNER_BUSY', 'too many requests are waiting for the key');
      return refused(refusalOf(busy), record.failed(request, busy));
    }
    return { kind: 'approved', request: withoutPayload(request) };
  }

  /** Records bytes that are no line. There is no reply to them: the connection closes. */
  refuseLine(error: LineError, connection: string): void {
    void this.#options.record.malformed(connection, LINE_PROBLEMS[error], undefined);
  }

  /** Signs an approved request. Never rejects: trouble is recorded and becomes a refusal. */
  async sign(request: DecidedRequest, peer: Peer): Promise<SigningOutcome> {
    this.#queued += 1;
    try {
      return await this.#chargeAndSign(request, peer);
    } catch (error) {
      return refused(refusalOf(error), this.#options.record.failed(request, error));
    } finally {
      this.#queued -= 1;
    }
  }

  /** The client is gone: what it still waits for need not be signed. */
  forget(client: Client): void {
    this.#options.key.cancel(client);
  }

  async #chargeAndSign(request: DecidedRequest, peer: Peer): Promise<SigningOutcome> {
    const { key, record, budgets } = this.#options;
    const asked = performance.now();
    record.assertWritable();
    if (request.decision.budgets.length > 0) {
      const exhausted = await budgets.charge(request.decision);
      if (exhausted !== undefined) {
        const { policy, rule, reason: detail } = exhausted;
        const operation = request.decision.request?.operation;
        const refusal = { code: 'rate-limited', detail, policy, rule, operation } as const;
        return refused(refusal, record.rateLimited(request, exhausted));
      }
      if (peer.isGone?.() === true) {
        throw new AppError('KEY_CANCELLED', 'the client is gone');
      }
    }
    const { client, onNotice } = peer;
    const signature = await key.sign(request.input.bytes, { client, onNotice });
    const { beganAt } = signature;
    const times = { queueMs: beganAt - asked, tokenMs: performance.now() - beganAt };
    const isAlone = this.#queued === 1;
    this.#assertVerifies(request.input.bytes, signature);
    await record.signed(request, { ...times, isAlone });
    return { kind: 'signature', signature: encodeBase64Url(signature.bytes) };
  }

  /** A wrong key or a faulty token never answers a client. */
  #assertVerifies(input: Buffer, signature: KeySignature): void {
    const { key } = this.#options;
    if (!verifySignature(key.algorithm, key.publicKey, input, signature.bytes)) {
      signature.reject();
      throw new AppError('KEY_BAD_SIGNATURE', 'the signature does not verify with the public key', {
        hint: 'the token is faulty, or its key is not the one whose public key was read',
      });
    }
  }
}

function refused(refusal: Refusal, recorded: Promise<boolean>): Refused {
  return { kind: 'refused', told: toldRefusal(refusal, recorded) };
}

/** Our own trouble says nothing of a verdict, and is told in any case. */
async function toldRefusal(refusal: Refusal, recorded: Promise<boolean>): Promise<Refusal> {
  return (await recorded) || refusal.code === 'internal' ? refusal : UNRECORDED;
}

/**
 * What may wait for the key for long: what was decided, and not all that it was decided upon, many
 * times its bytes.
 */
function withoutPayload({ connection, input, decision }: DecidedRequest): DecidedRequest {
  const { request } = decision;
  return {
    connection,
    input: { ...input, payload: undefined },
    decision: { ...decision, request: request && { ...request, payload: undefined } },
  };
}
