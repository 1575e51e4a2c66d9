// The members of `[policy.NAME]` in clavigerd.toml, as they are written there. Pure; daemon and
// clavigerd policy. The configuration has checked that each is a string, a list, a number and so
// on, and that there are no others; what they mean, and whether they mean anything, is
// policy/named-policy.ts.

export interface PolicySettings {
  /** What may be done at all; absent, nothing. */
  readonly operations?: readonly string[] | undefined;
  /** Patterns of names; absent, requests that carry names are refused. */
  readonly identifiers?: readonly string[] | undefined;
  /** SHA-256 of the SPKI of each key a CSR may have; absent, any key. */
  readonly 'csr-keys'?: readonly string[] | undefined;
  readonly 'csr-key-types'?: readonly string[] | undefined;
  /** Profiles an order may name, `""` being no profile; absent, `[""]`. */
  readonly profiles?: readonly string[] | undefined;
  /** Origins of CAs; absent, any. */
  readonly servers?: readonly string[] | undefined;
  readonly 'max-identifiers'?: number | undefined;
  readonly budgets?: readonly string[] | undefined;
  /** Absent, false. */
  readonly 'allow-wildcards'?: boolean | undefined;
  /** Absent, an order may name no dates. */
  readonly validity?: ValiditySettings | undefined;
  /** Wins over all of the above. */
  readonly deny?: DenySettings | undefined;
}

export interface ValiditySettings {
  /**
   * Longest time from notBefore (else from now) to notAfter, as `90d`; absent, no notAfter is
   * allowed.
   */
  readonly max?: string | undefined;
  /** How far in the future notBefore may be; absent, it has to be now. */
  readonly ahead?: string | undefined;
}

export interface DenySettings {
  readonly operations?: readonly string[] | undefined;
  readonly identifiers?: readonly string[] | undefined;
  readonly 'csr-keys'?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
}
