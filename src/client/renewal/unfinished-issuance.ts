// Decides whether an order of an earlier run is to be continued. Runs in claviger.

import { stat } from 'node:fs/promises';
import { outputsOf, type CertificateConfig } from '../../config/client/certificate.js';
import { parseDateTime } from '../../lib/date-time.js';
import { systemCodeOf } from '../../lib/errors.js';
import type { OrderMemory, RememberedOrder } from '../state/order-memory.js';

/**
 * The order to continue. Undefined when there is none; when its certificate was found unusable and
 * a new one may be ordered by now; or when its certificate is installed: a run that was killed
 * right after the installation could not forget the order.
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
  const placed = parseDateTime(order.placed) ?? 0;
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
