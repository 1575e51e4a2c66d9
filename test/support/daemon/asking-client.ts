// Clients of the daemon that ask for one signature after the other, each time with other bytes, and
// note what came of each. Used by test processes only. They live through a daemon that is killed
// while they ask.

import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { parsePublicJwk, publicKeyOfJwk } from '../../../src/jose/public-jwk.js';
import { connectLineClient, type LineClient } from './line-client.js';
import { atEnd, type Scope } from '../scope.js';
import {
  formatSigningInput,
  isSignatureOf,
  type SigningRequest,
} from '../requests/signing-request.js';

const ACCOUNT_URL = 'https://ca.example/acct/1';
const URL = 'https://ca.example/x';

export interface Answer {
  readonly request: Partial<SigningRequest>;
  /** What was asked to be signed. */
  readonly input: string;
  /** `signed`, the code of an error, or `closed`. */
  readonly outcome: string;
  /** The line that came. */
  readonly reply: string;
}

export interface AskingClient {
  readonly lines: LineClient;
  /** A request of this shape, which no other one equals. */
  readonly ask: (request?: Partial<SigningRequest>) => Promise<Answer>;
}

let asked = 0;

/** The bytes of a request by key ID for an ES256 key, with a nonce of its own unless it has one. */
export function makeInput(request: Partial<SigningRequest> = {}): string {
  asked += 1;
  const nonce = Buffer.from(`${process.pid}/${asked}`).toString('base64url');
  return formatSigningInput({ alg: 'ES256', nonce, kid: ACCOUNT_URL, url: URL, ...request });
}

/**
 * Connects to a daemon whose key is `key`, ES256, and has errors told. Default: the key of its
 * greeting.
 */
export async function connectAskingClient(
  scope: Scope,
  socket: string,
  key?: KeyObject,
): Promise<AskingClient> {
  const lines = await connectLineClient(socket);
  atEnd(scope, () => {
    lines.close();
  });
  const greeting = await lines.readGreeting();
  lines.write('!errors\r\n');
  const publicKey =
    key === undefined
      ? publicKeyOfJwk(parsePublicJwk(JSON.parse(greeting.jwk)))
      : createPublicKey(key);
  const jwk = publicKey.export({ format: 'jwk' });
  return {
    lines,
    ask: async (request = {}) => {
      const input = makeInput(request);
      const reply = (await lines.ask(input)) ?? '';
      return { request, input, outcome: outcomeOf(jwk, input, reply), reply };
    },
  };
}

function outcomeOf(jwk: JsonWebKey, input: string, reply: string): string {
  if (reply === '') {
    return 'closed';
  }
  if (reply.startsWith('!')) {
    return /^!error \{"code":"([a-z-]+)"/.exec(reply)?.[1] ?? reply;
  }
  return isSignatureOf('ES256', jwk, input, reply) ? 'signed' : 'wrong signature';
}

/** SHA-256 of what was asked to be signed, as the audit log has it. */
export function hashOf({ input }: Answer): string {
  return createHash('sha256').update(input).digest('hex');
}

interface LoadOptions {
  readonly socket: string;
  /** The daemon's, ES256. */
  readonly key: KeyObject;
  readonly clients: number;
  /** The next request of a client. */
  readonly next: () => Partial<SigningRequest>;
}

/** Clients that ask without a pause, each for one thing at a time. */
export class Load {
  /** In the order they came. */
  readonly answers: Answer[] = [];
  readonly #running: Promise<void>;
  #isStopped = false;
  #isOver = false;
  #wake: () => void = () => undefined;

  constructor(scope: Scope, options: LoadOptions) {
    const clients = Array.from({ length: options.clients }, () => this.#run(scope, options));
    this.#running = Promise.allSettled(clients).then(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Resolves when the answers so far are enough; rejects when no client is left to wait for. */
  async until(isEnough: (answers: readonly Answer[]) => boolean): Promise<void> {
    while (!isEnough(this.answers)) {
      if (this.#isOver) {
        throw new Error(`all clients have ended, after ${this.answers.length} answers`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Lets each have the answer it waits for. */
  async stop(): Promise<readonly Answer[]> {
    this.#isStopped = true;
    await this.#running;
    return this.answers;
  }

  async #run(scope: Scope, { socket, key, next }: LoadOptions): Promise<void> {
    const client = await connectAskingClient(scope, socket, key);
    while (!this.#isStopped) {
      const answer = await client.ask(next());
      this.answers.push(answer);
      this.#wake();
      if (answer.outcome === 'closed') {
        return;
      }
    }
    client.lines.close();
  }
}
