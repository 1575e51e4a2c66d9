// Formats the greeting: the two lines that the daemon sends first. Pure; clavigerd.

import type { Algorithm } from '../jose/algorithms.js';
import { formatPublicJwk, jwkThumbprint, type PublicJwk } from '../jose/public-jwk.js';
import { EXTENSIONS, PROTOCOL_VERSION } from './limits.js';

interface GreetingFacts {
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
  /** The account URL in key-ID-only mode, in which it is sent instead of the JWK. */
  readonly keyId: string | undefined;
}

/**
 * `1 OK {...}` and the JWK (members sorted; `{}` in key-ID-only mode), each ended by CR LF.
 * The thumbprint is part of it in both modes: http-01 needs it, and it gives no access to anything.
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
