// The record of each signature and each refusal, in the log. Runs in the daemon.
// It holds the operation, the names and a hash of what was signed; never the signing input itself.

import { createHash } from 'node:crypto';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import type { Identifier } from '../policy/operation.js';
import type { Log, LogFields } from '../sys/log.js';
import type { ApprovedRequest } from './signing-service.js';

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

  /** `url` is what the header said, if it could be read that far. */
  malformed(connection: string, reason: string, url: string | undefined): void {
    this.#log.warning('refused', { conn: connection, url, code: 'malformed', reason });
  }

  /** Our own trouble, or the token's; or the client has left before its turn. */
  failed(request: ApprovedRequest, error: unknown): void {
    if (isAppError(error, 'KEY_CANCELLED')) {
      this.#log.info('cancelled', { ...fieldsOf(request), reason: error.message });
      return;
    }
    this.#log.error('failed', {
      ...fieldsOf(request),
      code: error instanceof AppError ? error.code : 'unexpected',
      reason: messageOf(error),
      hint: error instanceof AppError ? error.hint : undefined,
    });
  }
}

/** Nothing is left out or cut: the limit of a line is the limit of a record. */
function fieldsOf({ connection, input, decision }: ApprovedRequest): LogFields {
  const names = decision.request?.identifiers ?? [];
  return {
    conn: connection,
    op: decision.request?.operation ?? 'unknown',
    url: input.header.url,
    names: names.length === 0 ? undefined : names.map(formatIdentifier).join(','),
  };
}

/** `dns:www.example.org`; whatever is not of a name is percent-encoded, the separators among it. */
function formatIdentifier({ type, value }: Identifier): string {
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%3A', ':');
  return `${encode(type)}:${encode(value)}`;
}
