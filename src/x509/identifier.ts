// A name in an order, a certificate request or a certificate. Pure.

/** A name as it stands there, before anybody has judged it. */
export interface Identifier {
  /**
   * `dns` and `ip` as in RFC 8555 §9.7.7 and RFC 8738; others by the name of their GeneralName (RFC
   * 5280 §4.2.1.6).
   */
  readonly type: string;
  readonly value: string;
}
