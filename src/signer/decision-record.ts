// The record of each decision: in the audit log where there is one, else in the log. Runs in the daemon.
// It holds the operation, the names and a hash of what was signed; never the signing input itself. That of
// a signature is written before the signature leaves; without it the signature does not leave.

import { createHash } from 'node:crypto';
import type { AuditEntry, AuditVerdict } from '../audit/audit-record.js';
import type { AuditLog } from '../audit/audit-log.js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import type { Decision } from '../policy/decide.js';
import type { Identifier } from '../policy/operation.js';
import type { SigningInput } from '../jose/signing-input.js';
import type { Log, LogFields } from '../sys/log.js';

/** Of a request that is not signed: names on record, and characters of one of them or of its url. */
const MAX_REFUSED_NAMES = 50;
const MAX_REFUSED_TEXT = 1024;

/** What is the same for all requests of a listener. */
export interface DecisionScope {
  readonly account: string;
  readonly listener: string;
  /** The named policy, where there is one. */
  readonly policy: string | undefined;
}

/** A request, and what was decided of it. */
export interface DecidedRequest {
  readonly connection: string;
  readonly input: SigningInput;
  readonly decision: Decision;
}

/** How a signature was made; times in milliseconds. */
export interface SigningCourse {
  /** Until the key came to it: other requests, budgets, the start of a helper. */
  readonly queueMs: number;
  readonly tokenMs: number;
  /** No other request waits for its signature. */
  readonly isAlone: boolean;
}

/** Why a request that was understood is not signed. */
export interface Reason {
  readonly rule: string;
  readonly reason: string;
}

export class DecisionRecord {
  readonly #log: Log;
  readonly #audit: AuditLog | undefined;
  readonly #scope: DecisionScope;

  constructor(log: Log, audit: AuditLog | undefined, scope: DecisionScope) {
    this.#log = log;
    this.#audit = audit;
    this.#scope = scope;
  }

  /**
   * To be asked before the key is: what cannot be recorded need not be signed.
   * @throws AppError AUDIT_WRITE
   */
  assertWritable(): void {
    if (this.#audit?.outage !== undefined) {
      this.#audit.recover();
    }
  }

  /** @throws AppError AUDIT_WRITE, SYS_FILE when it cannot be written: then the signature must not leave. */
  async signed(
    request: DecidedRequest,
    { queueMs, tokenMs, isAlone }: SigningCourse,
  ): Promise<void> {
    const sha256 = hashOf(request);
    const durationMs = (queueMs + tokenMs).toFixed(2);
    this.#log.debug('times', {
      conn: request.connection,
      rule: ruleOf(request),
      'queue-ms': queueMs.toFixed(2),
      'token-ms': tokenMs.toFixed(2),
    });
    const fields = { ...fieldsOf(request), 'duration-ms': durationMs, sha256 };
    if (this.#audit === undefined) {
      await this.#log.record('signed', fields, isAlone);
      return;
    }
    const times = { 'queue-ms': queueMs, 'token-ms': tokenMs };
    const entry = this.#entryOf('signed', request, sha256);
    await this.#audit.append({ ...entry, reason: unknownNamesOf(request), ...times }, isAlone);
    this.#log.info('signed', fields);
  }

  /** Where there is an audit log, a quiet standard error does without the lines of requests. */
  #tell(level: 'warning' | 'error', event: string, fields: LogFields): void {
    if (this.#audit === undefined) {
      this.#log.write(level, event, fields);
    } else {
      this.#log.writeRecorded(level, event, fields);
    }
  }

  /** Written when it resolves, as far as that is possible. */
  async denied(request: DecidedRequest, { rule, reason }: Reason): Promise<void> {
    this.#tell('warning', 'refused', { ...cutFieldsOf(request), code: 'denied', rule, reason });
    const entry = this.#entryOf('denied', request);
    await this.#appendIfPossible({ ...entry, rule, code: 'denied', reason });
  }

  /** A budget is used up. Written when it resolves, as far as that is possible. */
  async rateLimited(request: DecidedRequest, { rule, reason }: Reason): Promise<void> {
    const code = 'rate-limited';
    this.#tell('warning', 'refused', { ...cutFieldsOf(request), code, rule, reason });
    await this.#appendIfPossible({ ...this.#entryOf(code, request), rule, code, reason });
  }

  /** @param peeked the url that the header said, if it could be read that far. */
  async malformed(connection: string, reason: string, peeked?: string): Promise<void> {
    const code = 'malformed';
    const url = peeked === undefined ? undefined : cut(peeked);
    this.#tell('warning', 'refused', { conn: connection, url, code, reason });
    const scope = { event: 'decision', verdict: code, ...this.#scope } as const;
    await this.#appendIfPossible({ ...scope, connection, url, code, reason });
  }

  /** Our own trouble, or the token's; or the client has left before its turn. */
  async failed(request: DecidedRequest, error: unknown): Promise<void> {
    const reason = messageOf(error);
    if (isAppError(error, 'KEY_CANCELLED')) {
      this.#log.info('cancelled', { ...cutFieldsOf(request), reason });
      await this.#appendIfPossible({ ...this.#entryOf('cancelled', request), reason });
      return;
    }
    const code = error instanceof AppError ? error.code : 'unexpected';
    const hint = error instanceof AppError ? error.hint : undefined;
    this.#tell('error', 'failed', { ...cutFieldsOf(request), code, reason, hint });
    await this.#appendIfPossible({ ...this.#entryOf('failed', request), code, reason });
  }

  #entryOf(verdict: AuditVerdict, decided: DecidedRequest, sha256 = hashOf(decided)): AuditEntry {
    const { connection, input, decision } = decided;
    const { request } = decision;
    const isSigned = verdict === 'signed';
    return {
      event: 'decision',
      verdict,
      ...this.#scope,
      connection,
      operation: request?.operation,
      url: isSigned ? input.header.url : cut(input.header.url),
      identifiers: isSigned ? namesOf(decided) : cutNamesOf(decided),
      'csr-key': request?.csr?.keyHash,
      unread: decision.unread,
      rule: ruleOf(decided),
      sha256,
    };
  }

  /** A refusal stays one when it cannot be recorded: the audit log tells its trouble, and then the gap. */
  async #appendIfPossible(entry: AuditEntry): Promise<void> {
    await this.#audit?.append(entry).catch(() => undefined);
  }
}

/** Without a policy a CSR that is not understood is signed all the same: then no names are on record, and why. */
function unknownNamesOf({ decision }: DecidedRequest): string | undefined {
  const problem = decision.request?.problem;
  return problem === undefined ? undefined : `for names that are not known: ${problem}`;
}

/** The rule that let a request through. */
function ruleOf({ decision: { verdict } }: DecidedRequest): string | undefined {
  return verdict.kind === 'approved' ? verdict.rule : undefined;
}

/** Of what was to be signed: it tells whether a signature somebody shows was made here, or refused. */
function hashOf({ input }: DecidedRequest): string {
  return createHash('sha256').update(input.bytes).digest('hex');
}

/** Of what is signed nothing is left out or cut: the limit of a line is the limit of a record. */
function fieldsOf(decided: DecidedRequest): LogFields {
  const { connection, input, decision } = decided;
  const op = decision.request?.operation ?? 'unknown';
  return { conn: connection, op, url: input.header.url, names: namesOf(decided)?.join(',') };
}

/** What is refused is cut: it is as long as whoever sends it likes, and there may be any number of it. */
function cutFieldsOf(decided: DecidedRequest): LogFields {
  const { connection, input, decision } = decided;
  return {
    conn: connection,
    op: decision.request?.operation ?? 'unknown',
    url: cut(input.header.url),
    names: cutNamesOf(decided)?.join(','),
    unread: decision.unread,
  };
}

function namesOf({ decision }: DecidedRequest): readonly string[] | undefined {
  const names = decision.request?.identifiers ?? [];
  return names.length === 0 ? undefined : names.map(formatIdentifier);
}

function cutNamesOf({ decision }: DecidedRequest): readonly string[] | undefined {
  const names = decision.request?.identifiers ?? [];
  const first = names.slice(0, MAX_REFUSED_NAMES).map((name) => cut(formatIdentifier(name)));
  const rest = names.length - first.length;
  if (rest > 0) {
    first.push(`...${rest} more`);
  }
  return first.length === 0 ? undefined : first;
}

function cut(text: string): string {
  return text.length <= MAX_REFUSED_TEXT ? text : `${text.slice(0, MAX_REFUSED_TEXT)}...`;
}

/** `dns:www.example.org`; whatever is not of a name is percent-encoded, the separators among it. */
function formatIdentifier({ type, value }: Identifier): string {
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%3A', ':');
  return `${encode(type)}:${encode(value)}`;
}
