// What a record of the audit log holds. Types and lists only; clavigerd, which writes records, and
// `clavigerd audit`. Records have numbers without a gap, and each holds the hash of the line
// before, so they form a chain: record-line.ts formats and parses them, audit-chain.ts verifies the
// chain.

export const AUDIT_EVENTS = ['decision', 'start', 'stop', 'gap'] as const;
type AuditEvent = (typeof AUDIT_EVENTS)[number];

export const AUDIT_VERDICTS = [
  'signed',
  'denied',
  'rate-limited',
  'malformed',
  'failed',
  'cancelled',
] as const;
export type AuditVerdict = (typeof AUDIT_VERDICTS)[number];

/** Parts of a request that may be unread when it is refused, in the policy's words. */
export const UNREAD_PARTS = ['payload', 'names', 'csr', 'certificate'] as const;

/** What the writer of a record provides; the log adds number, time and hash. Times are in ms. */
export interface AuditEntry {
  readonly event: AuditEvent;
  readonly verdict?: AuditVerdict | undefined;
  readonly account?: string | undefined;
  readonly listener?: string | undefined;
  readonly connection?: string | undefined;
  readonly policy?: string | undefined;
  readonly operation?: string | undefined;
  readonly url?: string | undefined;
  /** `dns:www.example.org`, `ip:192.0.2.1` */
  readonly identifiers?: readonly string[] | undefined;
  /**
   * Of joined refusals: how many different names they were for; `identifiers` has the first ones.
   */
  readonly 'name-count'?: number | undefined;
  /** SHA-256 of the CSR's public key, lower-case hex. */
  readonly 'csr-key'?: string | undefined;
  /** The part that was not examined, because a cheaper check had refused the request. */
  readonly unread?: (typeof UNREAD_PARTS)[number] | undefined;
  readonly rule?: string | undefined;
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  /** How many refusals of one kind this record stands for; absent for one. */
  readonly count?: number | undefined;
  /** When the first of them was, and the last; in the form of `time`. */
  readonly 'first-time'?: string | undefined;
  readonly 'last-time'?: string | undefined;
  readonly 'queue-ms'?: number | undefined;
  readonly 'token-ms'?: number | undefined;
  /** Of a gap: the length of the incomplete record it reports. */
  readonly bytes?: number | undefined;
  /** Of the signing input, or of the bytes of an incomplete record; lower-case hex. */
  readonly sha256?: string | undefined;
  /**
   * Of joined refusals: SHA-256 over the SHA-256 (32 bytes each) of their signing inputs, in order;
   * lower-case hex.
   */
  readonly 'inputs-sha256'?: string | undefined;
}

export interface AuditRecord extends AuditEntry {
  /** 1, 2, 3 and so on, across all files of the log. */
  readonly seq: number;
  /** Of the first record of a file: nothing was before it in this file. */
  readonly begins?: 'file' | undefined;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  /** SHA-256 of the line before, without its newline, lower-case hex. */
  readonly prev: string;
}

/** The members of a record in their order. */
export const RECORD_MEMBERS = [
  'seq',
  'time',
  'event',
  'verdict',
  'account',
  'listener',
  'connection',
  'policy',
  'operation',
  'url',
  'identifiers',
  'name-count',
  'csr-key',
  'unread',
  'rule',
  'code',
  'reason',
  'count',
  'first-time',
  'last-time',
  'queue-ms',
  'token-ms',
  'bytes',
  'sha256',
  'inputs-sha256',
  'begins',
  'prev',
] as const satisfies readonly (keyof AuditRecord)[];
