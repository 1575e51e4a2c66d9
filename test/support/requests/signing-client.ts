// A client of the daemon that asks for signatures and says in one word what came of each. Used by
// test processes only. A signature counts as one only when it verifies with the key of the
// greeting.

import type { JsonWebKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectLineClient, type LineClient } from '../daemon/line-client.js';
import { atEnd, type Scope } from '../scope.js';
import { formatSigningInput, isSignatureOf } from './signing-request.js';

const ANSWER_TIMEOUT_MS = 60_000;
const RETRY_MS = 100;
const ACCOUNT_URL = 'https://ca.example.net/acme/new-account';

export interface SigningClient {
  readonly lines: LineClient;
  readonly jwk: JsonWebKey;
  /** `signed`, or the code of the error. */
  sign(): Promise<string>;
  /** Asks until a signature comes; gives what came before it. */
  signInTime(timeoutMs?: number): Promise<string[]>;
}

/** Connects to a daemon's socket and has errors told. */
export async function connectSigningClient(scope: Scope, socket: string): Promise<SigningClient> {
  const lines = await connectLineClient(socket);
  atEnd(scope, () => {
    lines.close();
  });
  const { greeting, jwk: jwkText } = await lines.readGreeting();
  const alg = String(parseObject(greeting.replace(/^1 OK /, ''))['alg']);
  const jwk: JsonWebKey = parseObject(jwkText);
  lines.write('!errors\r\n');
  const payload = { termsOfServiceAgreed: true };
  const sign = async (): Promise<string> => {
    const input = formatSigningInput({ alg, jwk, url: ACCOUNT_URL, payload });
    lines.write(`${input}\r\n`);
    for (;;) {
      const reply = await lines.readLine(ANSWER_TIMEOUT_MS);
      if (reply === undefined) {
        return 'closed';
      }
      if (reply.startsWith('!error ')) {
        return String(parseObject(reply.slice('!error '.length))['code']);
      }
      if (!reply.startsWith('!')) {
        return isSignatureOf(alg, jwk, input, reply) ? 'signed' : 'wrong signature';
      }
    }
  };
  const signInTime = async (timeoutMs = ANSWER_TIMEOUT_MS): Promise<string[]> => {
    const deadline = Date.now() + timeoutMs;
    const before: string[] = [];
    for (let answer = await sign(); answer !== 'signed'; answer = await sign()) {
      before.push(answer);
      if (Date.now() > deadline) {
        throw new Error(`no signature in ${timeoutMs} ms: ${before.join(' ')}`);
      }
      await sleep(RETRY_MS);
    }
    return before;
  };
  return { lines, jwk, sign, signInTime };
}

function parseObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) {
    throw new Error(`no JSON object: ${text}`);
  }
  return { ...value };
}
