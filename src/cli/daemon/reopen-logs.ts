// SIGHUP has the daemon open its logs anew, after logrotate or `clavigerd audit rotate` has moved
// them. Listened for before the logs are opened: without a handler the signal would end the daemon
// while it starts.

import type { AuditLog } from '../../audit/audit-log.js';
import { messageOf } from '../../lib/errors.js';
import type { Log } from '../../sys/log.js';

type Reopenable = Pick<AuditLog, 'reopen'>;

/**
 * Listens for SIGHUP from now on.
 * @returns to be told the audit log when it is open: it is then opened anew if a signal came
 *   meanwhile.
 */
export function reopenOnHangup(log: Pick<Log, 'reopen' | 'error'>): (audit: Reopenable) => void {
  let audit: Reopenable | undefined;
  let hasMissedOne = false;
  process.on('SIGHUP', () => {
    hasMissedOne = audit === undefined;
    audit?.reopen(); // tells its trouble itself
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
