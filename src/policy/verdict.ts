// The verdict of the policy on a request. Pure; clavigerd and `clavigerd policy`. Every decision
// starts as a denial, so a check that somebody forgets cannot approve anything.

export type Verdict =
  | { readonly kind: 'approved'; readonly rule: string }
  | Denial
  /** Deciding failed for an internal reason: refused like `denied`, and logged as an error. */
  | { readonly kind: 'failed'; readonly error: unknown };

interface Denial {
  readonly kind: 'denied';
  readonly rule: string;
  readonly reason: string;
  /** The named policy whose setting refuses; undefined where a check beside the policies does. */
  readonly policy?: string;
}

/** The verdict that every decision starts with. */
export const NO_RULE: Verdict = {
  kind: 'denied',
  rule: 'no-rule',
  reason: 'no rule allows the request',
};

export function denied(rule: string, reason: string): Denial {
  return { kind: 'denied', rule, reason };
}
