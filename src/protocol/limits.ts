// The sizes of the line protocol, version 1. Pure; both sides hold to them.

export const PROTOCOL_VERSION = 1;

/**
 * Bytes of a request line without CR LF. RFC 8555 requests are far smaller; a CSR of 100 names
 * fits.
 */
export const MAX_LINE_BYTES = 32 * 1024;

/** Requests of one connection that may wait for their signature; reading pauses above it. */
export const MAX_PIPELINED_REQUESTS = 32;

/** What a client may use beyond lacme's protocol, as the greeting lists it. */
export const EXTENSIONS = ['errors', 'ping'] as const;

export const ERRORS_LINE = '!errors';
export const PING_LINE = '!ping';
export const PONG_LINE = '!pong';
export const ERROR_PREFIX = '!error ';
export const NOTICE_PREFIX = '!notice ';
