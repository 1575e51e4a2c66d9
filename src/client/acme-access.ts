// The signer and the CA opened together, and closed whatever happens. Runs in the client's master.

import { setMaxListeners } from 'node:events';
import { AcmeHttp } from '../acme/http.js';
import { openSession, type AcmeSession } from '../acme/session.js';
import { systemTiming } from '../acme/timing.js';
import type { ClavigerConfig } from '../config/claviger-config.js';
import { AppError, messageOf } from '../lib/errors.js';
import { readBoundedFile } from './bounded-file.js';
import { openSigner } from './signer-connection.js';

/** A system's whole CA bundle has 230 KiB. */
const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;

export interface ClientContext {
  readonly config: ClavigerConfig;
  /** Version for the User-Agent header. */
  readonly version: string;
  /** Aborted by SIGHUP, SIGINT and SIGTERM, with the AppError to show. */
  readonly signal: AbortSignal;
  /** One line on what is being done or waited for; silent with --quiet. */
  report(line: string): void;
}

/**
 * Opens the signer and the ACME session, runs `use`, and closes both.
 * @throws AppError ACME_TIMEOUT when all of it takes longer than configured
 */
export async function withSession<T>(
  context: ClientContext,
  use: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  const { timeoutMs } = context.config;
  const late = new AbortController();
  const timer = setTimeout(() => {
    const message = `${context.config.server.href}: not done within ${timeoutMs / 1000} s`;
    late.abort(new AppError('ACME_TIMEOUT', message, { hint: 'allow more time with --timeout' }));
  }, timeoutMs);
  try {
    const signal = AbortSignal.any([context.signal, late.signal]);
    setMaxListeners(0, signal); // every name of the order waits with it
    return await openAndUse(context, signal, use);
  } finally {
    clearTimeout(timer);
  }
}

async function openAndUse<T>(
  context: ClientContext,
  signal: AbortSignal,
  use: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  const { config } = context;
  const directoryUrl = config.server;
  const authorities =
    config.serverCaFile === undefined ? undefined : await readBundle(config.serverCaFile);
  const report = (line: string): void => {
    context.report(line);
  };
  report(`connecting to the signer (${describeSigner(config)})`);
  const signer = await openSigner({ config: config.signer, signal, report });
  const userAgent = `claviger/${context.version} node/${process.versions.node}`;
  const http = new AcmeHttp({ authorities, userAgent, signal });
  const timing = systemTiming(signal);
  try {
    report(`connecting to ${directoryUrl.host}`);
    const session = await openSession({
      directoryUrl,
      http,
      signer,
      timing,
      deadlineMs: timing.now() + config.timeoutMs,
      report,
    });
    return await use(session);
  } finally {
    await Promise.all([http.close(), signer.close()]);
  }
}

function describeSigner({ signer }: ClavigerConfig): string {
  return signer.kind === 'socket' ? signer.path : signer.words.join(' ');
}

/**
 * Reads a PEM bundle of certificates.
 * @throws AppError CLIENT_CERTIFICATE when it is missing, too large or holds no certificate
 */
export async function readBundle(path: string): Promise<string> {
  let text: string;
  try {
    text = (await readBoundedFile(path, MAX_BUNDLE_BYTES)).toString('latin1');
  } catch (error) {
    throw new AppError('CLIENT_CERTIFICATE', `CA file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new AppError('CLIENT_CERTIFICATE', `CA file ${path}: has no PEM certificate`);
  }
  return text;
}
