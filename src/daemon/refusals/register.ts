// What the records of refusals of all listeners share: the room that is kept for signatures, and
// that all which is joined is written before the log is rotated or the daemon ends. Runs in the
// daemon.

import type { AuditReserve } from '../../audit/audit-reserve.js';

export class RefusalRegister {
  readonly reserve: AuditReserve | undefined;
  readonly #open = new Set<() => void>();

  /** @param reserve undefined where there is no audit log. */
  constructor(reserve: AuditReserve | undefined) {
    this.reserve = reserve;
  }

  /** @param flush writes all that is joined at once. */
  add(flush: () => void): void {
    this.#open.add(flush);
  }

  /** Before a rotation, and at the end. */
  flush(): void {
    for (const flush of this.#open) {
      flush();
    }
  }
}
