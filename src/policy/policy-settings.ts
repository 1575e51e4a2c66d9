// The settings of `[policy.NAME]` in clavigerd.toml, as written there. Types only. config/daemon
// has checked that each is a string, a list, a number and so on, and that there are no others;
// policy/named-policy.ts checks and parses their texts.

export interface PolicySettings {
  /** Operations that are allowed; absent, none. */
  readonly operations?: readonly string[] | undefined;
  /** Patterns of allowed names; absent, requests that carry names are refused. */
  readonly identifiers?: readonly string[] | undefined;
  /** SHA-256 hashes of the SPKI of keys allowed in CSRs; absent, any key. */
  readonly 'csr-keys'?: readonly string[] | undefined;
  readonly 'csr-key-types'?: readonly string[] | undefined;
  /** Profiles allowed in orders, `""` for an order without one; absent, `[""]`. */
  readonly profiles?: readonly string[] | undefined;
  /** Origins of allowed CAs; absent, any. */
  readonly servers?: readonly string[] | undefined;
  readonly 'max-identifiers'?: number | undefined;
  readonly budgets?: readonly string[] | undefined;
  /** Absent, false. */
  readonly 'allow-wildcards'?: boolean | undefined;
  /** Absent, orders with dates are refused. */
  readonly validity?: ValiditySettings | undefined;
  /** Overrides all of the above. */
  readonly deny?: DenySettings | undefined;
}

export interface ValiditySettings {
  /**
   * The longest time from notBefore (without one, from now) to notAfter, as `90d`; absent, orders
   * with a notAfter are refused.
   */
  readonly max?: string | undefined;
  /** How far in the future notBefore may be; absent, it must be now. */
  readonly ahead?: string | undefined;
}

interface DenySettings {
  readonly operations?: readonly string[] | undefined;
  readonly identifiers?: readonly string[] | undefined;
  readonly 'csr-keys'?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
}
