// A name in an order, a certificate request or a certificate. Types only; clavigerd and claviger.

/** A name as it was written; whether it is valid is for others to judge. */
export interface Identifier {
  /**
   * `dns` and `ip` as in RFC 8555 §9.7.7 and RFC 8738; other types are called as their GeneralName
   * is (RFC 5280 §4.2.1.6).
   */
  readonly type: string;
  readonly value: string;
}

/** A name that claviger orders certificates for, in its canonical spelling. */
export interface ServerIdentifier extends Identifier {
  readonly type: 'dns' | 'ip';
}
