// Whether an order of an earlier run is to be gone on with. Runs in the client's master.

import { stat } from 'node:fs/promises';
import { outputsOf, type CertificateConfig } from '../../config/client/certificate.js';
import { systemCodeOf } from '../../lib/errors.js';
import type { OrderMemory, RememberedOrder } from '../state/order-memory.js';

/**
 * The order to go on with; undefined when there is none, when its certificate was found unusable
 * and a new one may be ordered by now, or when it was finished: a run that was killed right after
 * the installation could not forget it.
 * @param now milliseconds since 1970
 */
export async function findUnfinishedOrder(
  memory: OrderMemory,
  certificate: CertificateConfig,
  now: number,
): Promise<RememberedOrder | undefined> {
  const order = await memory.order(now);
  if (order === undefined || (await memory.failure(now))?.isOver === true) {
    return undefined;
  }
  const placed = Date.parse(order.placed);
  const written = await Promise.all(outputsOf(certificate).map(modifiedAt));
  return written.every((at) => at > placed) ? undefined : order;
}

/** Milliseconds since 1970; 0 for a file that is not there. */
async function modifiedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return 0;
    }
    throw error;
  }
}
