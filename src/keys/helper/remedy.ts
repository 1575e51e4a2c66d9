// From an error to what is done about it, by the recovery table. Pure; runs in clavigerd and
// `clavigerd key`.

import { AppError } from '../../lib/errors.js';
import { returnValueOf } from '../../token/token-error.js';
import { NotBegunError } from './pending-requests.js';
import { decideRecovery, type Failure, type Remedy, type Rung } from './recovery-table.js';

/** A rung that is climbed at once; before the last one the token is left alone for a while. */
export type Step = Exclude<Rung, 'back-off'>;

/** What to do about an error. @param reached the rung that led to the session which failed */
export function remedyFor(error: unknown, reached: Rung | undefined): Remedy {
  // The helper ended over another request, or between two: this one has not been tried.
  return error instanceof NotBegunError ? 'new-helper' : decideRecovery(failureOf(error), reached);
}

export function isStep(remedy: Remedy): remedy is Step {
  return remedy !== 'request' && remedy !== 'operator' && remedy !== 'back-off';
}

/** What the recovery table decides on. */
export function failureOf(error: unknown): Failure {
  const code = error instanceof AppError ? error.code : 'TOKEN_FAILED';
  return { code, returnValue: returnValueOf(error) };
}
