// What the refusal records of all listeners share: the disk space reserved for signatures, and the
// flush of joined records before a rotation of the log and at the end. Runs in clavigerd.

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
