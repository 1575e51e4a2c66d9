// The limits and words of the line protocol, version 1. Pure; clavigerd and claviger.

export const PROTOCOL_VERSION = 1;

/**
 * Bytes of a request line without CR LF. RFC 8555 requests are far smaller; a CSR of 100 names
 * fits.
 */
export const MAX_LINE_BYTES = 32 * 1024;

/** How many requests of one connection may wait for a signature; beyond that, reading pauses. */
export const MAX_PIPELINED_REQUESTS = 32;

/** The extensions of lacme's protocol, as the greeting lists them. */
export const EXTENSIONS = ['errors', 'ping'] as const;

export const ERRORS_LINE = '!errors';
export const PING_LINE = '!ping';
export const PONG_LINE = '!pong';
export const ERROR_PREFIX = '!error ';
export const NOTICE_PREFIX = '!notice ';
