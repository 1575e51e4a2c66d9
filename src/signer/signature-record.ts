// The record of each signature and each refusal, in the log. Runs in the daemon.
// It holds the operation, the names and a hash of what was signed; never the signing input itself.

import { createHash } from 'node:crypto';
import { AppError, messageOf } from '../lib/errors.js';
import type { Log, LogFields } from '../sys/log.js';
import type { ApprovedRequest } from './signing-service.js';

/** Longest URL shown; a longer one is cut, the hash still tells the request. */
const MAX_SHOWN_URL = 512;
const MAX_SHOWN_NAMES = 20;

export class SignatureRecord {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** @throws AppError SYS_FILE when it cannot be written: then the signature must not leave. */
  signed(request: ApprovedRequest, durationMs: number): void {
    this.#log.record('signed', {
      ...fieldsOf(request),
      'duration-ms': durationMs.toFixed(2),
      sha256: createHash('sha256').update(request.input.bytes).digest('hex'),
    });
  }

  denied(request: ApprovedRequest, rule: string, reason: string): void {
    this.#log.warning('refused', { ...fieldsOf(request), code: 'denied', rule, reason });
  }

  malformed(connection: string, reason: string): void {
    this.#log.warning('refused', { conn: connection, code: 'malformed', reason });
  }

  /** Our own trouble, or the token's. */
  failed(request: ApprovedRequest, error: unknown): void {
    this.#log.error('failed', {
      ...fieldsOf(request),
      code: error instanceof AppError ? error.code : 'unexpected',
      reason: messageOf(error),
      hint: error instanceof AppError ? error.hint : undefined,
    });
  }
}

function fieldsOf({ connection, input, decision }: ApprovedRequest): LogFields {
  const names = decision.request?.identifiers ?? [];
  return {
    conn: connection,
    op: decision.request?.operation ?? 'unknown',
    url: input.header.url.slice(0, MAX_SHOWN_URL),
    names:
      names.length === 0
        ? undefined
        : names
            .slice(0, MAX_SHOWN_NAMES)
            .map((name) => name.value)
            .join(',')
            .slice(0, MAX_SHOWN_URL),
  };
}
