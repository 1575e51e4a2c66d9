// An ACME session in this process, with a software key in place of a signer. Used by test processes
// only.

import type { AccountSigner } from '../../../src/acme/account-signer.js';
import { AcmeHttp } from '../../../src/acme/transport/http.js';
import { openSession, type AcmeSession } from '../../../src/acme/session.js';
import { systemTiming } from '../../../src/acme/timing.js';
import { jwkOfKey, jwkThumbprint } from '../../../src/jose/public-jwk.js';
import { signWithKey } from '../../../src/jose/signature.js';
import { makeKey } from '../keys/keys.js';
import { atEnd, type Scope } from '../scope.js';

export interface TestSession {
  readonly session: AcmeSession;
  readonly reports: readonly string[];
  readonly controller: AbortController;
}

interface TestSessionOptions {
  readonly directoryUrl: string;
  /** PEM for the HTTPS connection; undefined: Node's own list. */
  readonly authorities?: string | undefined;
  readonly timeoutMs?: number;
}

/** Opens a session with a new ES256 account key. */
export async function openTestSession(
  scope: Scope,
  options: TestSessionOptions,
): Promise<TestSession> {
  const controller = new AbortController();
  const { signal } = controller;
  const http = new AcmeHttp({ authorities: options.authorities, userAgent: 'test', signal });
  atEnd(scope, () => {
    http.close();
  });
  const timing = systemTiming(signal);
  const reports: string[] = [];
  const session = await openSession({
    directoryUrl: new URL(options.directoryUrl),
    http,
    signer: softwareSigner(),
    timing,
    deadlineMs: timing.now() + (options.timeoutMs ?? 20_000),
    report: (line) => {
      reports.push(line);
    },
  });
  return { session, reports, controller };
}

export function softwareSigner(): AccountSigner {
  const key = makeKey('ES256');
  const jwk = jwkOfKey(key.publicKey);
  return {
    algorithm: 'ES256',
    jwk,
    thumbprint: jwkThumbprint(jwk),
    keyId: undefined,
    sign: async (protectedPart, payloadPart) => {
      const input = Buffer.from(`${protectedPart}.${payloadPart}`);
      return (await signWithKey('ES256', key.privateKey, input)).toString('base64url');
    },
  };
}
