// The daemon's one way from a request line to a signature: parse, classify, decide, sign, verify,
// record, reply. It trusts no line and no key: a signature leaves only after it was verified with the
// public key and its record was written. Runs in the daemon.

import { performance } from 'node:perf_hooks';
import { parseSigningInput, peekUrl, type SigningInput } from '../jose/signing-input.js';
import { verifySignature } from '../jose/signature.js';
import type { AccountKey } from '../keys/account-key.js';
import { encodeBase64Url } from '../lib/base64url.js';
import { AppError, messageOf } from '../lib/errors.js';
import { decideRequest, type Decision, type PolicyContext } from '../policy/decide.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Outcome } from '../protocol/server-session.js';
import { refusalOf } from './refusal-table.js';
import type { SignatureRecord } from './signature-record.js';

export interface SigningServiceOptions {
  readonly key: AccountKey;
  readonly policy: PolicyContext;
  readonly record: SignatureRecord;
  /** Requests that may wait for the key, over all connections; one more is refused as `busy`. */
  readonly maxQueuedRequests: number;
}

/** A request that may be signed: exactly the bytes that were decided upon. */
export interface ApprovedRequest {
  readonly connection: string;
  readonly input: SigningInput;
  readonly decision: Decision;
}

export type Admission =
  | { readonly kind: 'approved'; readonly request: ApprovedRequest }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export class SigningService {
  readonly #options: SigningServiceOptions;
  #queued = 0;

  constructor(options: SigningServiceOptions) {
    this.#options = options;
  }

  /** Parses a line and decides on it; a refusal is recorded here. Never throws. */
  admit(line: Buffer, connection: string): Admission {
    const { policy, record, maxQueuedRequests } = this.#options;
    let input: SigningInput;
    try {
      // The one copy: what is parsed here is decided upon, signed, verified and recorded.
      input = parseSigningInput(Buffer.from(line));
    } catch (error) {
      record.malformed(connection, messageOf(error), peekUrl(line));
      return refused('malformed', messageOf(error));
    }
    const decision = decideRequest(input, policy);
    const { verdict } = decision;
    switch (verdict.kind) {
      case 'approved':
        break;
      case 'denied':
        record.denied({ connection, input, decision }, verdict.rule, verdict.reason);
        return refused('denied', verdict.reason);
      case 'failed':
        record.failed({ connection, input, decision }, verdict.error);
        return refused('internal', 'the signer could not decide on the request');
    }
    if (this.#queued >= maxQueuedRequests) {
      const busy = new AppError('SIGNER_BUSY', 'too many requests are waiting for the key');
      record.failed({ connection, input, decision }, busy);
      return { kind: 'refused', refusal: refusalOf(busy) };
    }
    return { kind: 'approved', request: { connection, input, decision } };
  }

  /**
   * Signs an approved request. Never rejects: trouble is recorded and becomes a refusal.
   * @param onNotice told once when the signature takes long.
   */
  async sign(request: ApprovedRequest, onNotice?: () => void): Promise<Outcome> {
    const { key, record } = this.#options;
    const started = performance.now();
    this.#queued += 1;
    try {
      const asker = { client: request.connection, onNotice };
      const signature = await key.sign(request.input.bytes, asker);
      this.#assertVerifies(request.input.bytes, signature);
      record.signed(request, performance.now() - started);
      return { kind: 'signature', signature: encodeBase64Url(signature) };
    } catch (error) {
      record.failed(request, error);
      return { kind: 'refusal', refusal: refusalOf(error) };
    } finally {
      this.#queued -= 1;
    }
  }

  /** The client is gone: what it still waits for need not be signed. */
  forget(connection: string): void {
    this.#options.key.forget?.(connection);
  }

  /** A wrong key or a faulty token never answers a client. */
  #assertVerifies(input: Buffer, signature: Buffer): void {
    const { key } = this.#options;
    if (!verifySignature(key.algorithm, key.publicKey, input, signature)) {
      key.distrust?.(signature);
      throw new AppError('KEY_BAD_SIGNATURE', 'the signature does not verify with the public key', {
        hint: 'the token is faulty, or its key is not the one whose public key was read',
      });
    }
  }
}

function refused(code: Refusal['code'], detail: string): Admission {
  return { kind: 'refused', refusal: { code, detail } };
}
