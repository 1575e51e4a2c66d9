// An ACME server that misbehaves on request: what Pebble never does. Used by test processes only.
// Without orders it follows RFC 8555 for http-01, but validates nothing and believes every
// signature.

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import * as v from 'valibot';
import { makeHttpsCertificate } from './pebble.js';
import { atEnd, type Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { makeAuthority, publicKeyOfCsr, type LeafOptions, type TestAuthority } from './test-ca.js';

export type Endpoint =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'account'
  | 'orders'
  | 'newOrder'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'
  | 'revokeCert';

export interface AcmeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when it is text, as JSON otherwise. */
  readonly body?: unknown;
  /** True: the connection is cut instead. */
  readonly reset?: boolean;
  /** The connection is cut, and for that many milliseconds nobody listens. */
  readonly awayMs?: number;
  /** True: no answer ever comes. */
  readonly hang?: boolean;
}

export interface AcmeCall {
  readonly endpoint: Endpoint;
  /** The number in the URL; 0 where there is none. */
  readonly id: number;
  /** How often this endpoint was asked before. */
  readonly count: number;
  readonly payload: Readonly<Record<string, unknown>> | undefined;
  /** What a well-behaved server would answer. */
  readonly usual: AcmeAnswer;
  /** The server's own base URL, without a slash at its end. */
  readonly base: string;
}

export interface AcmeServerOptions {
  /** Gives another answer than the usual one; undefined keeps that. */
  readonly misbehave?: (call: AcmeCall) => AcmeAnswer | undefined;
  /** What the certificate is to be, in place of what was ordered. */
  readonly leaf?: (ordered: LeafOptions) => LeafOptions;
  /** PEM to deliver in place of the chain. */
  readonly chain?: (chain: readonly string[]) => string;
}

export interface AcmeServer {
  readonly directoryUrl: string;
  readonly base: string;
  readonly caFile: string;
  /** The PEM of that file. */
  readonly caPem: string;
  readonly root: TestAuthority;
  /** The intermediate that issues, in PEM. */
  readonly issuerPem: string;
  readonly calls: readonly Endpoint[];
}

interface State {
  names: LeafOptions['names'];
  readonly authorized: Set<number>;
  orderStatus: 'pending' | 'ready' | 'valid';
  chain: string;
}

const TOKEN = 'ZmFrZS10b2tlbi13aXRoLTEyOC1iaXRzLW9mLWl0';

/** Starts the server on a free port of 127.0.0.1. */
export async function startAcmeServer(
  scope: Scope,
  options: AcmeServerOptions = {},
): Promise<AcmeServer> {
  const files = await makeHttpsCertificate(await makeTempDir(scope, 'acme-'));
  const root = await makeAuthority('test root');
  const issuer = await root.subordinate('test intermediate');
  const calls: Endpoint[] = [];
  const state: State = { names: [], authorized: new Set(), orderStatus: 'pending', chain: '' };
  const server = createServer(
    { cert: await readFile(files.certificate), key: await readFile(files.key) },
    (request, response) => {
      const answer = new Responder({ server, base, state, calls, options, root, issuer });
      answer.respond(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    },
  );
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port: 0 }, resolve);
  });
  atEnd(scope, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const base = baseOf(server);
  const caPem = await readFile(files.authority, 'utf8');
  return {
    directoryUrl: `${base}/directory`,
    base,
    caFile: files.authority,
    caPem,
    root,
    issuerPem: issuer.pem,
    calls,
  };
}

function baseOf(server: Server): string {
  const address = server.address();
  return `https://localhost:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
}

interface ResponderParts {
  readonly server: Server;
  readonly base: string;
  readonly state: State;
  readonly calls: Endpoint[];
  readonly options: AcmeServerOptions;
  readonly root: TestAuthority;
  readonly issuer: TestAuthority;
}

class Responder {
  readonly #parts: ResponderParts;
  readonly #base: string;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
    this.#base = parts.base;
  }

  async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { calls, options } = this.#parts;
    const payload = parsePayload(await readAll(request));
    const [name, id] = (request.url ?? '').slice(1).split('/');
    const endpoint = endpointOf(name ?? '');
    const number = Number(id ?? 0);
    const usual = await this.#usual(endpoint, number, payload);
    const count = calls.filter((call) => call === endpoint).length;
    calls.push(endpoint);
    const call = { endpoint, id: number, count, payload, usual, base: this.#base };
    const answer = options.misbehave?.(call) ?? usual;
    if (answer.reset === true) {
      request.socket.destroy();
      return;
    }
    if (answer.awayMs !== undefined) {
      await this.#goAway(answer.awayMs);
      return;
    }
    if (answer.hang === true) {
      return;
    }
    const headers = {
      'replay-nonce': Buffer.from(`nonce ${calls.length}`).toString('base64url'),
      ...answer.headers,
    };
    const { body } = answer;
    response.writeHead(answer.status ?? 200, headers);
    response.end(
      request.method === 'HEAD' || body === undefined
        ? undefined
        : typeof body === 'string'
          ? body
          : JSON.stringify(body),
    );
  }

  async #goAway(ms: number): Promise<void> {
    const { server } = this.#parts;
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    server.close();
    server.closeAllConnections();
    await delay(ms);
    server.listen({ host: '127.0.0.1', port });
  }

  async #usual(
    endpoint: Endpoint,
    id: number,
    payload: Readonly<Record<string, unknown>> | undefined,
  ): Promise<AcmeAnswer> {
    const { state } = this.#parts;
    const base = this.#base;
    switch (endpoint) {
      case 'directory':
        return {
          body: Object.fromEntries(
            ['newNonce', 'newAccount', 'newOrder', 'revokeCert'].map((name) => [
              name,
              `${base}/${name}`,
            ]),
          ),
        };
      case 'newNonce':
      case 'revokeCert':
        return {};
      case 'newAccount':
        return { headers: { location: `${base}/account/1` }, body: { status: 'valid' } };
      case 'account':
        return { body: { status: 'valid', contact: ['mailto:admin@example.org'] } };
      case 'orders':
        return { body: { orders: [`${base}/order/1`] } };
      case 'newOrder':
        state.names = readNames(payload);
        state.authorized.clear();
        state.orderStatus = 'pending';
        return { status: 201, headers: { location: `${base}/order/1` }, body: this.#order() };
      case 'order':
        return { body: this.#order() };
      case 'authorization':
        return { body: this.#authorization(id) };
      case 'challenge':
        state.authorized.add(id);
        return { body: this.#challenge(id) };
      case 'finalize':
        await this.#issue(payload);
        return { body: this.#order() };
      case 'certificate':
        return { body: state.chain };
    }
  }

  #order(): Record<string, unknown> {
    const { state } = this.#parts;
    const isReady = state.authorized.size === state.names.length;
    const status = state.orderStatus === 'pending' && isReady ? 'ready' : state.orderStatus;
    return {
      status,
      identifiers: state.names,
      authorizations: state.names.map((_, at) => `${this.#base}/authorization/${at}`),
      finalize: `${this.#base}/finalize/1`,
      ...(status === 'valid' ? { certificate: `${this.#base}/certificate/1` } : {}),
    };
  }

  #authorization(id: number): Record<string, unknown> {
    const { state } = this.#parts;
    return {
      identifier: state.names[id],
      status: state.authorized.has(id) ? 'valid' : 'pending',
      challenges: [this.#challenge(id)],
    };
  }

  #challenge(id: number): Record<string, unknown> {
    return {
      type: 'http-01',
      status: 'pending',
      url: `${this.#base}/challenge/${id}`,
      token: `${TOKEN}${id}`,
    };
  }

  async #issue(payload: Readonly<Record<string, unknown>> | undefined): Promise<void> {
    const { state, options, issuer } = this.#parts;
    const csr = Buffer.from(String(payload?.['csr']), 'base64url');
    const ordered = { names: state.names };
    const leaf = await issuer.issue(publicKeyOfCsr(csr), options.leaf?.(ordered) ?? ordered);
    const chain = [leaf, issuer.pem];
    state.chain = options.chain?.(chain) ?? chain.join('');
    state.orderStatus = 'valid';
  }
}

const ENDPOINTS: ReadonlySet<string> = new Set<Endpoint>([
  ...(['directory', 'newNonce', 'newAccount', 'account', 'orders', 'newOrder', 'order'] as const),
  ...(['authorization', 'challenge', 'finalize', 'certificate', 'revokeCert'] as const),
]);

function isEndpoint(name: string): name is Endpoint {
  return ENDPOINTS.has(name);
}

function endpointOf(name: string): Endpoint {
  if (!isEndpoint(name)) {
    throw new Error(`a client asked for ${name}`);
  }
  return name;
}

const orderedSchema = v.object({
  identifiers: v.array(v.object({ type: v.picklist(['dns', 'ip']), value: v.string() })),
});

function readNames(payload: Readonly<Record<string, unknown>> | undefined): LeafOptions['names'] {
  return v.parse(orderedSchema, payload).identifiers;
}

function parsePayload(body: string): Readonly<Record<string, unknown>> | undefined {
  if (body === '') {
    return undefined;
  }
  const record = v.record(v.string(), v.unknown());
  const jws = v.parse(record, JSON.parse(body));
  const payload = Buffer.from(String(jws['payload']), 'base64url').toString('utf8');
  return payload === '' ? undefined : v.parse(record, JSON.parse(payload));
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) {
    text += String(part);
  }
  return text;
}
