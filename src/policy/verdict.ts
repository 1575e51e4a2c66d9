// What the policy says of a request: a type in which forgetting means no. Pure.

export type Verdict =
  | { readonly kind: 'approved'; readonly rule: string }
  | Denial
  /** Our own trouble while deciding: refused like `denied`, logged as an error. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface Denial {
  readonly kind: 'denied';
  readonly rule: string;
  readonly reason: string;
  /** The named policy whose setting `rule` is; undefined where a rule of every policy refuses. */
  readonly policy?: string;
}

/** Where every decision starts. */
export const NO_RULE: Verdict = {
  kind: 'denied',
  rule: 'no-rule',
  reason: 'no rule allows the request',
};

export function denied(rule: string, reason: string): Denial {
  return { kind: 'denied', rule, reason };
}
