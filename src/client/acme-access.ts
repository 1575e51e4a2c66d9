// Opens the signer and the ACME session for a command, and closes them in any case. Runs in
// claviger.

import { setMaxListeners } from 'node:events';
import type { Stats } from 'node:fs';
import { openSession, type AcmeSession } from '../acme/session.js';
import { systemTiming } from '../acme/timing.js';
import { TracedHttp } from '../acme/transport/traced-http.js';
import type { ClavigerConfig } from '../config/client/config.js';
import { systemClock } from '../lib/clock.js';
import { AppError, isAppError, messageOf, rephrase, systemCodeOf } from '../lib/errors.js';
import { pathTrouble } from '../sys/files/path-trouble.js';
import { assertUnwritableByOthers } from '../sys/files/safe-path.js';
import { effectiveUserId } from '../sys/user.js';
import type { ClientState } from './state/client-state.js';
import { readBoundedFile } from '../sys/files/bounded-file.js';
import { SharedSigner } from './signer/shared-signer.js';

/** A system's whole CA bundle has 230 KiB. */
const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;

export interface ClientContext {
  readonly config: ClavigerConfig;
  /** Version for the User-Agent header. */
  readonly version: string;
  /** Aborted by SIGHUP, SIGINT and SIGTERM, with the AppError to show. */
  readonly signal: AbortSignal;
  /** What is remembered from one run to the next. */
  readonly state: ClientState;
  /** One line on what is being done or waited for; not printed with --quiet. */
  report(line: string): void;
  /** One line on a request and its answer, for --debug. No secret is ever in it. */
  trace(line: string): void;
  /** One line on something that needs attention; printed with --quiet too. */
  warn(line: string): void;
}

/** Runs `use` with a signer for all sessions in it, and closes it. */
export async function withSigner<T>(
  context: ClientContext,
  use: (signer: SharedSigner) => Promise<T>,
): Promise<T> {
  const { config, signal } = context;
  const signer = new SharedSigner({
    config: config.signer,
    signal,
    report: (line) => {
      context.report(line);
    },
    trace: (line) => {
      context.trace(line);
    },
  });
  try {
    return await use(signer);
  } finally {
    await signer.close();
  }
}

/**
 * Opens the ACME session, runs `use`, and closes it.
 * @throws AppError ACME_TIMEOUT when all of it takes longer than configured
 */
export async function withSession<T>(
  context: ClientContext,
  signer: SharedSigner,
  use: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  const { timeoutMs, server } = context.config;
  const late = new AbortController();
  const timer = setTimeout(() => {
    const message = `${server.href}: not done within ${timeoutMs / 1000} s`;
    late.abort(new AppError('ACME_TIMEOUT', message, { hint: 'allow more time with --timeout' }));
  }, timeoutMs);
  const deadlineMs = systemClock.now() + timeoutMs;
  const signal = AbortSignal.any([context.signal, late.signal]);
  setMaxListeners(0, signal); // each name of the order listens on it
  try {
    return await openAndUse({ context, signer, signal, deadlineMs }, use);
  } finally {
    clearTimeout(timer);
    // Ends what was begun at the same time and is still under way.
    late.abort(new AppError('ACME_CONNECTION', `${server.host}: no longer needed`));
  }
}

interface Opening {
  readonly context: ClientContext;
  readonly signer: SharedSigner;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

async function openAndUse<T>(
  { context, signer: shared, signal, deadlineMs }: Opening,
  use: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  const { config } = context;
  const authorities =
    config.serverCaFile === undefined ? undefined : await readBundle(config.serverCaFile);
  const report = (line: string): void => {
    context.report(line);
  };
  // The signer and the CA are connected at the same time.
  const signer = shared.open(signal);
  signer.catch(() => undefined); // awaited in openSession, where the error is thrown
  const userAgent = `claviger/${context.version} node/${process.versions.node}`;
  const http = new TracedHttp({ authorities, userAgent, signal }, (line) => {
    context.trace(line);
  });
  const timing = systemTiming(signal);
  try {
    const directoryUrl = config.server;
    report(`connecting to ${directoryUrl.host}`);
    return await use(await openSession({ directoryUrl, http, signer, timing, deadlineMs, report }));
  } finally {
    http.close();
  }
}

/**
 * Reads a PEM bundle of certificates that are trusted.
 * @throws AppError SYS_PATH when it is missing or closed to this user; CLIENT_CERTIFICATE when it
 *   is too large or holds no certificate; SYS_UNSAFE_PATH when others can write it, or put another
 *   file there
 */
export async function readBundle(path: string): Promise<string> {
  let text: string;
  try {
    const check = (stats: Stats): void => {
      assertUnwritableByOthers(path, stats, effectiveUserId());
    };
    text = (await readBoundedFile(path, MAX_BUNDLE_BYTES, check)).toString('latin1');
  } catch (error) {
    if (isAppError(error)) {
      throw rephrase(error, { message: `CA file: ${error.message}` });
    }
    throw systemCodeOf(error) === undefined
      ? new AppError('CLIENT_CERTIFICATE', `CA file ${path}: ${messageOf(error)}`)
      : pathTrouble('CA file', path, error, 'correct --ca-file or --server-ca-file');
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new AppError('CLIENT_CERTIFICATE', `CA file ${path}: has no PEM certificate`);
  }
  return text;
}
