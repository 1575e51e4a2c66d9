// What to do when a token fails: a ladder of remedies, and the rung at which each failure starts.
// Pure; runs in clavigerd and `clavigerd key`. Each rung includes those below it. After a rung that
// did not help comes the next one, never the same again: every failure ends with a new helper, or
// with a pause. Return values: PKCS#11 2.40 §5.1.

import type { ErrorCode } from '../../lib/error-codes.js';

/** From the cheapest remedy to the last; object handles are never kept from one rung to another. */
export const LADDER = [
  'find-key', // look the key object up again
  'new-session', // close the session, find the token, open another, log in, find the key
  'log-in', // the same, with a logout before the login: some modules only believe to be logged in
  'reinitialise', // C_Finalize and C_Initialize before all that
  'new-helper', // kill the process, and start another
  'back-off', // give up for a while: the breaker opens, a probe tries later
] as const;

export type Rung = (typeof LADDER)[number];

/**
 * `request`: this request alone fails, the token works. `operator`: a person has to do something.
 */
export type Remedy = Rung | 'request' | 'operator';

/** What the table decides on. */
export interface Failure {
  readonly code: ErrorCode;
  /** `CKR_...`, where a call into the module failed. */
  readonly returnValue?: string | undefined;
}

/**
 * The rung at which a return value starts; one that is not in the table starts at `new-helper`.
 */
export const REMEDY_OF_RETURN_VALUE: ReadonlyMap<string, Remedy> = new Map<string, Remedy>([
  ['CKR_OBJECT_HANDLE_INVALID', 'find-key'],
  ['CKR_KEY_HANDLE_INVALID', 'find-key'],
  ['CKR_KEY_CHANGED', 'find-key'],

  ['CKR_SESSION_HANDLE_INVALID', 'new-session'],
  ['CKR_SESSION_CLOSED', 'new-session'],
  // The helper has ended the operation and tried again already.
  ['CKR_OPERATION_ACTIVE', 'new-session'],
  ['CKR_OPERATION_NOT_INITIALIZED', 'new-session'],
  // Slots get other numbers when a reader or a card is plugged in again.
  ['CKR_SLOT_ID_INVALID', 'new-session'],
  ['CKR_DEVICE_REMOVED', 'new-session'],
  ['CKR_TOKEN_NOT_PRESENT', 'new-session'],

  ['CKR_USER_NOT_LOGGED_IN', 'log-in'],

  ['CKR_CRYPTOKI_NOT_INITIALIZED', 'reinitialise'],
  ['CKR_TOKEN_NOT_RECOGNIZED', 'reinitialise'],
  ['CKR_DEVICE_ERROR', 'reinitialise'],
  ['CKR_DEVICE_MEMORY', 'reinitialise'],
  ['CKR_GENERAL_ERROR', 'reinitialise'],
  ['CKR_FUNCTION_FAILED', 'reinitialise'],
  // C_Finalize ends sessions of this process that were left open; other programs end theirs.
  ['CKR_SESSION_COUNT', 'reinitialise'],
  ['CKR_TOKEN_RESOURCE_EXCEEDED', 'reinitialise'],

  ['CKR_HOST_MEMORY', 'new-helper'],
  ['CKR_CANT_LOCK', 'new-helper'],
  ['CKR_MUTEX_BAD', 'new-helper'],
  ['CKR_MUTEX_NOT_LOCKED', 'new-helper'],
  // The helper has tried a larger buffer already.
  ['CKR_BUFFER_TOO_SMALL', 'new-helper'],

  // A person cancelled at a PIN pad or a touch button, or was too late.
  ['CKR_FUNCTION_CANCELED', 'request'],
  ['CKR_FUNCTION_REJECTED', 'request'],
  ['CKR_DATA_INVALID', 'request'],
  ['CKR_DATA_LEN_RANGE', 'request'],

  // A PIN is never sent again after a refusal.
  ['CKR_PIN_INCORRECT', 'operator'],
  ['CKR_PIN_INVALID', 'operator'],
  ['CKR_PIN_LEN_RANGE', 'operator'],
  ['CKR_PIN_LOCKED', 'operator'],
  ['CKR_PIN_EXPIRED', 'operator'],
  ['CKR_USER_PIN_NOT_INITIALIZED', 'operator'],
  ['CKR_USER_ANOTHER_ALREADY_LOGGED_IN', 'operator'],
  ['CKR_USER_TOO_MANY_TYPES', 'operator'],
  ['CKR_USER_TYPE_INVALID', 'operator'],
  // The key cannot sign like this at all.
  ['CKR_KEY_FUNCTION_NOT_PERMITTED', 'operator'],
  ['CKR_KEY_TYPE_INCONSISTENT', 'operator'],
  ['CKR_KEY_SIZE_RANGE', 'operator'],
  ['CKR_KEY_EXHAUSTED', 'operator'],
  ['CKR_CURVE_NOT_SUPPORTED', 'operator'],
  ['CKR_MECHANISM_INVALID', 'operator'],
  ['CKR_MECHANISM_PARAM_INVALID', 'operator'],
]);

/** For failures without a return value, and for those whose code is more specific. */
const REMEDY_OF_CODE: Partial<Record<ErrorCode, Remedy>> = {
  TOKEN_PIN_INCORRECT: 'operator',
  TOKEN_PIN_LOCKED: 'operator',
  KEY_PIN_HELD: 'operator',
  KEY_PIN: 'operator',
  SYS_FILE: 'operator',
  SYS_UNSAFE_PATH: 'operator',
  TOKEN_AMBIGUOUS: 'operator',
  TOKEN_KEY_AMBIGUOUS: 'operator',
  TOKEN_KEY_UNSUPPORTED: 'operator',
  // No such token or key: perhaps the session has an old list of slots or objects.
  TOKEN_NOT_FOUND: 'new-session',
  TOKEN_KEY_NOT_FOUND: 'new-session',
  TOKEN_MODULE: 'new-helper',
  TOKEN_HELPER: 'new-helper',
  // The helper has been killed already, and the request has had its time.
  TOKEN_TIMEOUT: 'back-off',
};

/**
 * What to do about a failure.
 * @param reached the rung that led to the session which failed, undefined for a session that has
 *   signed.
 */
export function decideRecovery(failure: Failure, reached: Rung | undefined): Remedy {
  const first = remedyOf(failure);
  if (first === 'request' || first === 'operator' || reached === undefined) {
    return first;
  }
  const next = LADDER[LADDER.indexOf(reached) + 1] ?? 'back-off';
  return LADDER.indexOf(first) > LADDER.indexOf(next) ? first : next;
}

function remedyOf({ code, returnValue }: Failure): Remedy {
  const ofValue = returnValue === undefined ? undefined : REMEDY_OF_RETURN_VALUE.get(returnValue);
  const ofCode = REMEDY_OF_CODE[code];
  // The code decides where it asks for the operator: CKR_ARGUMENTS_BAD to a login refuses the PIN.
  return ofCode === 'operator' ? ofCode : (ofValue ?? ofCode ?? 'new-helper');
}
