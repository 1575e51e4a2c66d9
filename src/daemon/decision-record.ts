// The record of each decision: in the audit log where there is one, else in the log. Runs in
// clavigerd. It holds the operation, the names and a hash of the signing input; never the signing
// input itself. The record of a signature is written before the signature is sent; without the
// record the signature is not sent.

import { createHash } from 'node:crypto';
import type { AuditEntry, AuditVerdict } from '../audit/audit-record.js';
import type { AuditLog } from '../audit/audit-log.js';
import { AppError, hintLineOf, isAppError, messageOf } from '../lib/errors.js';
import type { Decision } from '../policy/decide.js';
import type { Identifier } from '../x509/identifier.js';
import type { SigningInput } from '../jose/signing-input.js';
import type { Log, LogFields, LogLevel } from '../sys/log.js';
import { MAX_REFUSED_NAMES } from './refusals/joins.js';
import { RefusalRecords } from './refusals/records.js';
import { RefusalRegister } from './refusals/register.js';

/**
 * Longest URL, and longest name (a DNS name has 253), in the record of a refused request;
 * characters.
 */
const MAX_REFUSED_URL = 1024;
const MAX_REFUSED_NAME = 300;

/** What is the same for all requests of a listener. */
export interface DecisionScope {
  readonly account: string;
  readonly listener: string;
  /** The named policy, where there is one. */
  readonly policy: string | undefined;
}

/** A request, and the decision on it. */
export interface DecidedRequest {
  readonly connection: string;
  readonly input: SigningInput;
  readonly decision: Decision;
}

/** How a signature was made; times in milliseconds. */
interface SigningCourse {
  /** Time before the key began with it: other requests, budgets, the start of a helper. */
  readonly queueMs: number;
  readonly tokenMs: number;
  /** No other request waits for its signature. */
  readonly isAlone: boolean;
}

/** Why a request that was understood is not signed. */
export interface Reason {
  readonly rule: string;
  readonly reason: string;
  /** The named policy whose setting `rule` is. */
  readonly policy?: string;
}

export class DecisionRecord {
  readonly #log: Log;
  readonly #audit: AuditLog | undefined;
  readonly #scope: DecisionScope;
  readonly #refusals: RefusalRecords;

  /** @param register what the refusals of all listeners share. */
  constructor(
    log: Log,
    audit: AuditLog | undefined,
    scope: DecisionScope,
    register = new RefusalRegister(undefined),
  ) {
    this.#log = log;
    this.#audit = audit;
    this.#scope = scope;
    this.#refusals = new RefusalRecords(log, audit, register);
  }

  /**
   * Called before the key signs: what cannot be recorded need not be signed.
   * @throws AppError AUDIT_WRITE
   */
  assertWritable(): void {
    if (this.#audit?.outage !== undefined) {
      this.#audit.recover();
    }
  }

  /**
   * Records a signature.
   * @throws AppError AUDIT_WRITE, SYS_FILE when the record cannot be written: the signature must
   *   then not be sent
   */
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

  /**
   * Records a denied request.
   * @returns resolves when the reply may be sent: to true when the refusal is on record, by itself
   *   or counted with others; to false when it is not, so that the reply must not reveal it
   */
  denied(request: DecidedRequest, { rule, reason }: Reason): Promise<boolean> {
    const entry = { ...this.#entryOf('denied', request), rule, code: 'denied', reason };
    return this.#refuse(entry, request);
  }

  /** A budget is used up. @returns as `denied` */
  rateLimited(request: DecidedRequest, { rule, reason }: Reason): Promise<boolean> {
    const code = 'rate-limited';
    return this.#refuse({ ...this.#entryOf(code, request), rule, code, reason }, request);
  }

  /**
   * Records what is no request.
   * @param peeked the URL in the header, if it could be read that far
   * @returns as `denied`
   */
  malformed(connection: string, reason: string, peeked?: string): Promise<boolean> {
    const code = 'malformed';
    const url = peeked === undefined ? undefined : cut(peeked, MAX_REFUSED_URL);
    const scope = { event: 'decision', verdict: code, ...this.#scope } as const;
    const entry = { ...scope, connection, url, code, reason };
    return this.#refusals.add({ entry, names: [] }, 'warning');
  }

  /**
   * Records an error of the daemon or the token, or that the client left before its turn.
   * @returns as `denied`
   */
  failed(request: DecidedRequest, error: unknown): Promise<boolean> {
    const reason = messageOf(error);
    if (isAppError(error, 'KEY_CANCELLED')) {
      return this.#refuse({ ...this.#entryOf('cancelled', request), reason }, request, 'info');
    }
    const code = error instanceof AppError ? error.code : 'unexpected';
    const hint = hintLineOf(error);
    const entry = { ...this.#entryOf('failed', request), code, reason };
    return this.#refuse(entry, request, 'error', hint);
  }

  #refuse(
    entry: AuditEntry,
    request: DecidedRequest,
    level: LogLevel = 'warning',
    hint?: string,
  ): Promise<boolean> {
    const names = (namesOf(request) ?? []).map((name) => cut(name, MAX_REFUSED_NAME));
    return this.#refusals.add({ entry, names }, level, hint);
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
      url: isSigned ? input.header.url : cut(input.header.url, MAX_REFUSED_URL),
      identifiers: isSigned ? namesOf(decided) : cutNamesOf(decided),
      'csr-key': request?.csr?.keyHash,
      unread: decision.unread,
      rule: ruleOf(decided),
      sha256,
    };
  }
}

/**
 * Without a policy, a request whose CSR is not understood is signed all the same: the record then
 * says why it has no names.
 */
function unknownNamesOf({ decision }: DecidedRequest): string | undefined {
  const problem = decision.request?.problem;
  return problem === undefined ? undefined : `for names that are not known: ${problem}`;
}

/** The rule that approved a request. */
function ruleOf({ decision: { verdict } }: DecidedRequest): string | undefined {
  return verdict.kind === 'approved' ? verdict.rule : undefined;
}

/** SHA-256 of the signing input: shows whether a given signature was made, or refused, here. */
function hashOf({ input }: DecidedRequest): string {
  return createHash('sha256').update(input.bytes).digest('hex');
}

/**
 * In the record of a signature nothing is left out or cut: the limit of a line bounds its length.
 */
function fieldsOf(decided: DecidedRequest): LogFields {
  const { connection, input, decision } = decided;
  const op = decision.request?.operation ?? 'unknown';
  return { conn: connection, op, url: input.header.url, names: namesOf(decided)?.join(',') };
}

function namesOf({ decision }: DecidedRequest): readonly string[] | undefined {
  const names = decision.request?.identifiers ?? [];
  return names.length === 0 ? undefined : names.map(formatIdentifier);
}

function cutNamesOf({ decision }: DecidedRequest): readonly string[] | undefined {
  const names = decision.request?.identifiers ?? [];
  const first = names
    .slice(0, MAX_REFUSED_NAMES)
    .map((name) => cut(formatIdentifier(name), MAX_REFUSED_NAME));
  const rest = names.length - first.length;
  if (rest > 0) {
    first.push(`...${rest} more`);
  }
  return first.length === 0 ? undefined : first;
}

/** The client decides how long what is refused is. */
function cut(text: string, characters: number): string {
  return text.length <= characters ? text : `${text.slice(0, characters)}...`;
}

/**
 * `dns:www.example.org`; characters that do not occur in names are percent-encoded, so that
 * separators are unambiguous.
 */
function formatIdentifier({ type, value }: Identifier): string {
  const encode = (text: string): string => encodeURIComponent(text).replaceAll('%3A', ':');
  return `${encode(type)}:${encode(value)}`;
}
