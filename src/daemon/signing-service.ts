// The only way from a request line to a signature: parse, classify, decide, charge, sign, verify,
// record, reply. Runs in clavigerd. It trusts no line and no key: a signature leaves only after it
// was verified with the public key and its record was written.

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
import { refusalOf } from './refusal-of-error.js';

interface SigningServiceOptions {
  readonly key: AccountKey;
  readonly policy: PolicyContext;
  readonly record: DecisionRecord;
  readonly budgets: BudgetGate;
}

/**
 * A request that is not signed. Nothing else of the request is kept while its record is written.
 */
export interface Refused {
  readonly kind: 'refused';
  /** Resolves when the refusal may be sent, to what is sent. Never rejects. */
  readonly reply: Promise<Refusal>;
}

export type Admission =
  /** Exactly the bytes that were decided upon may be signed. */
  { readonly kind: 'approved'; readonly request: DecidedRequest } | Refused;

export type SigningOutcome = { readonly kind: 'signature'; readonly signature: string } | Refused;

/** Who waits for a signature. */
export interface Peer {
  readonly client: Client;
  /** Called once when the signature takes long. */
  readonly onNotice?: () => void;
  /** True once the client has disconnected. */
  readonly isGone?: () => boolean;
}

/** A refusal that is not on record is answered with this alone. */
const UNRECORDED: Refusal = { code: 'internal', detail: 'the signer cannot record refusals now' };

const LINE_PROBLEMS: Readonly<Record<LineError, string>> = {
  'line-too-long': `line: longer than ${MAX_LINE_BYTES} bytes`,
  'bare-line-ending': 'line: does not end in CR LF',
  'control-character': 'line: has a NUL in it',
};

/** What a connection uses of the signing service. */
export type LineService = Pick<SigningService, 'admit' | 'refuseLine' | 'sign' | 'cancel'>;

export class SigningService {
  readonly #options: SigningServiceOptions;
  #queued = 0;

  constructor(options: SigningServiceOptions) {
    this.#options = options;
  }

  /**
   * Parses a line and decides on it; a refusal is being recorded when this returns. Never throws.
   * @param hasPlace false where the queue for the key has no place for it: it is then refused as
   *   `busy`, unless there is another reason to refuse it
   */
  admit(line: Buffer, connection: string, hasPlace = true): Admission {
    const { policy, record } = this.#options;
    let input: SigningInput;
    try {
      // The only copy: decision, signature, verification and record are about these bytes.
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

  /** Signs an approved request. Never rejects: an error is recorded and becomes a refusal. */
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

  /** The client has disconnected: what it still waits for need not be signed. */
  cancel(client: Client): void {
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

  /** The signature of a wrong key or a faulty token is never sent. @throws KEY_BAD_SIGNATURE */
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
  return { kind: 'refused', reply: replyOf(refusal, recorded) };
}

/** An internal error reveals no verdict, and is sent in any case. */
async function replyOf(refusal: Refusal, recorded: Promise<boolean>): Promise<Refusal> {
  return (await recorded) || refusal.code === 'internal' ? refusal : UNRECORDED;
}

/**
 * What may wait long for the key: the decision without the parsed payload, which takes many times
 * the memory of its bytes.
 */
function withoutPayload({ connection, input, decision }: DecidedRequest): DecidedRequest {
  const { request } = decision;
  return {
    connection,
    input: { ...input, payload: undefined },
    decision: { ...decision, request: request && { ...request, payload: undefined } },
  };
}
