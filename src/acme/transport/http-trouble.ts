// Errors of a connection, and what they mean for the request on it. Pure; runs in claviger. Whether
// a request is repeated depends on two facts that are known here alone: whether the server can have
// received it, and whether the same request may succeed later.

import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';

/** The connection broke, or the server closed an idle one just as it was reused. */
const BROKEN_CODES: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);
/**
 * The server was not reached: it restarts, or the network or a name server fails for the moment.
 */
const UNREACHED_CODES: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'],
  ...['EADDRNOTAVAIL', 'EAI_AGAIN', 'ENOTFOUND', 'ETIMEDOUT'],
]);
/** RFC 8446 §6.2 internal_error; a load balancer without a server behind it sends it. */
const TLS_INTERNAL_ERROR = /ALERT_INTERNAL_ERROR$/;

export interface TroubleFacts {
  /** True when the request may have reached the server, which may have acted on it. */
  readonly isSent: boolean;
  /** True when the same request may well succeed in a moment. */
  readonly isPassing: boolean;
}

/** A request without an answer. */
export class HttpTrouble extends AppError {
  readonly isSent: boolean;
  readonly isPassing: boolean;

  constructor(
    code: 'ACME_CONNECTION' | 'ACME_TIMEOUT',
    message: string,
    facts: TroubleFacts & { readonly cause?: unknown; readonly hint?: string | undefined },
  ) {
    super(code, message, { cause: facts.cause, hint: facts.hint });
    this.isSent = facts.isSent;
    this.isPassing = facts.isPassing;
  }
}

export function timedOut(url: URL, problem: string, isSent: boolean): HttpTrouble {
  return new HttpTrouble('ACME_TIMEOUT', `${url.host}: ${problem}`, { isSent, isPassing: true });
}

export function tooLarge(url: URL): AppError {
  return new AppError('ACME_INVALID', `${url.host}: the answer is too large`);
}

/** @param isSent whether the connection had been established, with TLS */
export function connectionError(url: URL, error: unknown, isSent: boolean): AppError {
  const code = codeOf(error);
  if (code === 'HPE_HEADER_OVERFLOW') {
    return tooLarge(url);
  }
  const isPassing =
    BROKEN_CODES.has(code) || UNREACHED_CODES.has(code) || TLS_INTERNAL_ERROR.test(code);
  return new HttpTrouble('ACME_CONNECTION', `${url.host}: ${describe(error)}`, {
    isSent,
    isPassing,
    cause: error,
    hint: hintFor(code),
  });
}

/** After several addresses Node throws an AggregateError, whose parts have the codes. */
function codeOf(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  return systemCodeOf(error) ?? systemCodeOf(first) ?? '';
}

function describe(error: unknown): string {
  const all = error instanceof AggregateError ? error.errors.map(messageOf).join('; ') : '';
  return printable((all === '' ? messageOf(error) : all).trim());
}

function hintFor(code: string): string | undefined {
  switch (code) {
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'for a server with a private authority, name its certificate with --server-ca-file';
    case 'CERT_NOT_YET_VALID':
    case 'CERT_HAS_EXPIRED':
      return "is this machine's clock right? `date -u` tells it; if so, the certificate of the server is at fault";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'the certificate there is for other names: check the host in --server';
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return 'what answers there does not speak HTTPS: check the host and the port in --server';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the server name does not resolve: check --server and the DNS of this machine';
    case 'ECONNREFUSED':
      return 'nothing listens there: check --server';
    default:
      return undefined;
  }
}
