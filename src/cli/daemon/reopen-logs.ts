// SIGHUP makes the daemon reopen its logs, after logrotate or `clavigerd audit rotate` has moved
// them. Runs in clavigerd. The handler is installed before the logs are opened: without one the
// signal would end the daemon while it starts.

import type { AuditLog } from '../../audit/audit-log.js';
import { messageOf } from '../../lib/errors.js';
import type { Log } from '../../sys/log.js';

type Reopenable = Pick<AuditLog, 'reopen'>;

/**
 * Handles SIGHUP from now on.
 * @returns a function that takes the audit log when it is open, and reopens it if a signal came
 *   meanwhile
 */
export function reopenOnSighup(log: Pick<Log, 'reopen' | 'error'>): (audit: Reopenable) => void {
  let audit: Reopenable | undefined;
  let hasMissedOne = false;
  process.on('SIGHUP', () => {
    hasMissedOne = audit === undefined;
    audit?.reopen(); // reports its own errors
    try {
      log.reopen();
    } catch (error) {
      log.error('log-reopen-failed', { reason: messageOf(error) });
    }
  });
  return (opened) => {
    audit = opened;
    if (hasMissedOne) {
      audit.reopen();
    }
  };
}
