// Refusals of one listener that can be neither recorded nor told, counted by what prevents it. Runs
// in the daemon. The log tells each reason once a spell; the audit log tells it with the number,
// before its next record.

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

  /** @param reason one of a few: all are kept until they are told. */
  add(reason: string, count = 1): void {
    const before = this.#counts.get(reason) ?? 0;
    if (before === 0) {
      this.#log.error('audit', { message: `refusals are neither recorded nor told: ${reason}` });
    }
    this.#counts.set(reason, before + count);
  }

  /** In a gap before the next record: there is room again, or no more time. */
  tell(): void {
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
