// The closed list of error codes, by folder. Pure. A code is stable: scripts, tests and the
// documentation refer to it. The sentence beside it is not.

export const ERROR_CODES = {
  lib: ['LIB_BASE64URL', 'LIB_JSON', 'LIB_FRAME'],
  jose: ['JOSE_JWK', 'JOSE_UNSUPPORTED_KEY', 'JOSE_SIGNING_INPUT'],
  protocol: ['PROTO_GREETING', 'PROTO_REPLY', 'PROTO_REFUSED', 'PROTO_CLOSED'],
  config: ['CONFIG_FILE', 'CONFIG_INVALID', 'CONFIG_USAGE'],
  sys: ['SYS_UNSAFE_PATH', 'SYS_PATH', 'SYS_SOCKET', 'SYS_FILE', 'SYS_LOCKED', 'SYS_OUTPUT'],
  audit: ['AUDIT_RECORD', 'AUDIT_WRITE', 'AUDIT_ROTATE'],
  token: [
    'TOKEN_MODULE',
    'TOKEN_NOT_FOUND',
    'TOKEN_AMBIGUOUS',
    'TOKEN_KEY_NOT_FOUND',
    'TOKEN_KEY_AMBIGUOUS',
    'TOKEN_KEY_UNSUPPORTED',
    'TOKEN_PIN_INCORRECT',
    'TOKEN_PIN_LOCKED',
    'TOKEN_ABSENT',
    'TOKEN_HELPER',
    'TOKEN_TIMEOUT',
    'TOKEN_FAILED',
  ],
  keys: [
    'KEY_URI',
    'KEY_FILE',
    'KEY_DECRYPT',
    'KEY_PIN',
    'KEY_PIN_SOURCE',
    'KEY_PIN_HELD',
    'KEY_MISMATCH',
    'KEY_UNSUPPORTED',
    'KEY_BAD_SIGNATURE',
    'KEY_UNCONFIRMED',
    'KEY_CANCELLED',
  ],
  policy: ['POLICY_INVALID', 'POLICY_CSR'],
  signer: ['SIGNER_BUSY', 'SIGNER_BUDGET'],
  acme: [
    'ACME_CONNECTION',
    'ACME_PROBLEM',
    'ACME_INVALID',
    'ACME_TIMEOUT',
    'ACME_UNSUPPORTED',
    'ACME_ORDER_FAILED',
  ],
  client: [
    'CLIENT_SIGNER',
    'CLIENT_KEY',
    'CLIENT_CERTIFICATE',
    'CLIENT_CHALLENGE',
    'CLIENT_INSTALL',
    'CLIENT_INTERRUPTED',
  ],
} as const;

/** Every code an `AppError` can carry. */
export type ErrorCode = (typeof ERROR_CODES)[keyof typeof ERROR_CODES][number];
