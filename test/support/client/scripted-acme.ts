// An ACME session whose server is a table of answers and whose time is a number: for unit tests of
// the ACME core. No connection, no clock, no key.

import * as v from 'valibot';
import type { AccountSigner } from '../../../src/acme/account-signer.js';
import type { Directory } from '../../../src/acme/directory.js';
import type { AccountSession, Registration } from '../../../src/acme/session.js';
import type { Timing } from '../../../src/acme/timing.js';
import type { HttpRequest, HttpResponse } from '../../../src/acme/transport/http.js';
import { NoncePool } from '../../../src/acme/transport/nonces.js';

export const BASE = 'https://ca.example';
export const ACCOUNT_URL = `${BASE}/account/1`;
const START_MS = 1_000_000;
const jwsSchema = v.object({ protected: v.string(), payload: v.string() });

/** Time that passes in `sleep` alone. */
export class FakeTiming implements Timing {
  /** The waits so far, in whole milliseconds. */
  readonly waits: number[] = [];
  #now = START_MS;

  now(): number {
    return this.#now;
  }

  sleep(ms: number): Promise<void> {
    this.waits.push(Math.round(ms));
    this.#now += ms;
    return Promise.resolve();
  }
}

export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
  /** Sent as it is when it is text, as JSON otherwise. */
  readonly body?: unknown;
}

/** The answers of a path, one after another, the last one again and again; an error is thrown. */
export type Script = Readonly<Record<string, readonly (ScriptedAnswer | Error)[]>>;

interface ScriptedCall {
  readonly method: string;
  readonly path: string;
  readonly accept: string | undefined;
  /** The protected header of a signed request. */
  readonly header: Readonly<Record<string, unknown>>;
  /** Undefined for the empty payload of POST-as-GET, and for requests that are not signed. */
  readonly payload: unknown;
}

export function httpResponse(answer: ScriptedAnswer = {}): HttpResponse {
  const { status = 200, headers = {}, links = [], body = '' } = answer;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: new Map(Object.entries(headers)), links, body: Buffer.from(text) };
}

/** A problem document as an answer. */
export function problem(type: string, status = 400, more: object = {}): ScriptedAnswer {
  return { status, body: { type: `urn:ietf:params:acme:error:${type}`, ...more } };
}

/** What stands for HTTPS: `newNonce` is answered with nonce after nonce. */
export class ScriptedHttp {
  readonly calls: ScriptedCall[] = [];
  readonly #script: Script;
  readonly #counts = new Map<string, number>();

  constructor(script: Script) {
    this.#script = script;
  }

  request({ method, url, body, accept }: HttpRequest): Promise<HttpResponse> {
    const path = url.pathname.slice(1);
    const count = this.#counts.get(path) ?? 0;
    this.#counts.set(path, count + 1);
    this.calls.push({ method, path, accept, ...decodeJws(body) });
    const answers = this.#script[path];
    const answer = answers?.[Math.min(count, answers.length - 1)];
    if (answer instanceof Error) {
      return Promise.reject(answer);
    }
    if (answer === undefined && path === 'newNonce') {
      const nonce = Buffer.from(`nonce ${count}`).toString('base64url');
      return Promise.resolve(httpResponse({ headers: { 'replay-nonce': nonce } }));
    }
    if (answer === undefined) {
      return Promise.reject(new Error(`no answer for ${method} ${path}`));
    }
    return Promise.resolve(httpResponse(answer));
  }

  /** The paths that were requested, nonces left out. */
  get paths(): readonly string[] {
    return this.calls.map(({ path }) => path).filter((path) => path !== 'newNonce');
  }
}

function decodeJws(body: string | undefined): Pick<ScriptedCall, 'header' | 'payload'> {
  if (body === undefined) {
    return { header: {}, payload: undefined };
  }
  const jws = v.parse(jwsSchema, JSON.parse(body));
  const decode = (part: string): unknown =>
    part === '' ? undefined : JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  return {
    header: v.parse(v.record(v.string(), v.unknown()), decode(jws.protected)),
    payload: decode(jws.payload),
  };
}

export const DIRECTORY: Directory = {
  url: new URL(`${BASE}/directory`),
  newNonce: new URL(`${BASE}/newNonce`),
  newAccount: new URL(`${BASE}/newAccount`),
  newOrder: new URL(`${BASE}/newOrder`),
  revokeCert: new URL(`${BASE}/revokeCert`),
  termsOfService: undefined,
  isExternalAccountRequired: false,
};

/** A signer whose signature says what was signed. */
export const SIGNER: AccountSigner = {
  algorithm: 'ES256',
  thumbprint: 'thumbprint',
  jwk: { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ' },
  keyId: undefined,
  sign: (protectedPart, payloadPart) => Promise.resolve(`${protectedPart}-${payloadPart}`),
};

export interface ScriptedSession {
  readonly session: AccountSession;
  readonly http: ScriptedHttp;
  readonly timing: FakeTiming;
  readonly reports: readonly string[];
}

interface ScriptedSessionOptions {
  readonly directory?: Partial<Directory>;
  readonly signer?: Partial<AccountSigner>;
  readonly registration?: Registration;
  /** How long the whole operation may take. */
  readonly patienceMs?: number;
}

export function scriptedSession(
  script: Script,
  options: ScriptedSessionOptions = {},
): ScriptedSession {
  const http = new ScriptedHttp(script);
  const timing = new FakeTiming();
  const reports: string[] = [];
  const context = {
    timing,
    deadlineMs: START_MS + (options.patienceMs ?? 600_000),
    report: (line: string) => {
      reports.push(line);
    },
  };
  const directory = { ...DIRECTORY, ...options.directory };
  const session: AccountSession = {
    ...context,
    http,
    directory,
    nonces: new NoncePool(http, directory.newNonce, context),
    signer: { ...SIGNER, ...options.signer },
    registration: options.registration,
    accountUrl: ACCOUNT_URL,
  };
  return { session, http, timing, reports };
}
