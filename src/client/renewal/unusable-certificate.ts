// A certificate that was issued and cannot be used is no reason to have one after another issued:
// authorities limit how many they issue for the same names. Runs in claviger. What is remembered
// here delays the next order; it is never needed to be right, and --force ignores it.

import { AppError } from '../../lib/errors.js';
import { CertificateError } from '../install/certificate-chain.js';
import type { OrderMemory } from '../state/order-memory.js';

/**
 * @param now milliseconds since 1970
 * @throws AppError CLIENT_CERTIFICATE while no new certificate is to be ordered
 */
export async function assertMayOrder(memory: OrderMemory, now: number): Promise<void> {
  const failure = await memory.failure(now);
  if (failure !== undefined && !failure.isOver) {
    throw new AppError(
      'CLIENT_CERTIFICATE',
      `certificate: the last one could not be used: ${failure.reason}`,
      { hint: `no new one is ordered before ${failure.notBefore}; --force orders one now` },
    );
  }
}

/**
 * Remembers a new certificate that cannot be used.
 * @param isNew false for the certificate of an order of an earlier run, which is remembered already
 * @returns the error with a hint at when the next certificate is ordered
 */
export async function rememberUnusable(
  memory: OrderMemory,
  error: CertificateError,
  { isNew, now }: { readonly isNew: boolean; readonly now: number },
): Promise<AppError> {
  const failure = isNew ? await memory.noteFailure(error.problem, now) : await memory.failure(now);
  const wait =
    failure === undefined
      ? ''
      : `; the next run looks at this certificate again, and orders no other before ${failure.notBefore}`;
  const hint = `${error.hint ?? 'nothing was installed'}${wait}`;
  return new CertificateError(error.problem, { hint, cause: error });
}
