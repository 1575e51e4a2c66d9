// The two lines the daemon says first. Pure.

import type { Algorithm } from '../jose/algorithms.js';
import { formatPublicJwk, jwkThumbprint, type PublicJwk } from '../jose/public-jwk.js';
import { EXTENSIONS, PROTOCOL_VERSION } from './limits.js';

export interface GreetingFacts {
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
  /** The account URL in key-ID-only mode: it is told, the JWK is not. */
  readonly keyId: string | undefined;
}

/**
 * `1 OK {...}` and the JWK (members sorted; `{}` in key-ID-only mode), each ended by CR LF.
 * The thumbprint is told in both modes: http-01 needs it, and it gives no right to anything.
 */
export function formatGreeting(facts: GreetingFacts): string {
  const extra = {
    alg: facts.algorithm,
    'jwk-thumbprint': jwkThumbprint(facts.jwk),
    ...(facts.keyId === undefined ? {} : { kid: facts.keyId }),
    extensions: EXTENSIONS,
  };
  const jwk = facts.keyId === undefined ? formatPublicJwk(facts.jwk) : '{}';
  return `${PROTOCOL_VERSION} OK ${JSON.stringify(extra)}\r\n${jwk}\r\n`;
}
