// Counts the refusals of one listener that cannot be recorded, by what prevents it. Runs in
// clavigerd. The log has a line when a reason first occurs; the audit log has the number, in a gap
// record before its next record.

import type { AuditLog } from '../../audit/audit-log.js';
import type { Log } from '../../sys/log.js';

export class RefusalLosses {
  readonly #log: Log;
  readonly #audit: AuditLog | undefined;
  readonly #counts = new Map<string, number>();

  constructor(log: Log, audit: AuditLog | undefined) {
    this.#log = log;
    this.#audit = audit;
  }

  /** Counts refusals. @param reason one of a fixed few: all are kept until they are noted */
  add(reason: string, count = 1): void {
    const before = this.#counts.get(reason) ?? 0;
    if (before === 0) {
      this.#log.error('audit', { message: `refusals are neither recorded nor told: ${reason}` });
    }
    this.#counts.set(reason, before + count);
  }

  /**
   * Notes the losses so far as a gap before the next record: records can be written again, or the
   * daemon ends.
   */
  note(): void {
    const losses = [...this.#counts];
    this.#counts.clear();
    const [first, ...others] = losses;
    if (first === undefined) {
      return;
    }
    if (others.length === 0) {
      this.#audit?.noteLost(first[1], first[0]);
      return;
    }
    const total = losses.reduce((sum, [, count]) => sum + count, 0);
    this.#audit?.noteLost(total, losses.map(([reason, count]) => `${count}: ${reason}`).join('; '));
  }
}
