// What the daemon writes before a signature is sent: the audit log and the budgets, opened where
// they are configured. Runs in clavigerd, at start; one that cannot be opened ends the start.

import { performance } from 'node:perf_hooks';
import type { AuditLog } from '../../audit/audit-log.js';
import type { AuditReserve } from '../../audit/audit-reserve.js';
import { formatHead } from '../../audit/chain-head.js';
import type { ClavigerdConfig } from '../../config/daemon/config.js';
import type { ListenConfig } from '../../config/daemon/listen-settings.js';
import { systemClock } from '../../lib/clock.js';
import { AppError } from '../../lib/errors.js';
import type { NamedPolicy } from '../../policy/named-policy.js';
import type { BudgetLedger } from '../../budgets/ledger.js';
import { RefusalRegister } from '../../daemon/refusals/register.js';
import type { Log } from '../../sys/log.js';
import { packageVersion } from '../terminal/version.js';

interface DaemonRecords {
  readonly audit: AuditLog | undefined;
  /** Shared by all listeners. */
  readonly refusals: RefusalRegister;
  readonly ledger: BudgetLedger | undefined;
  /** Closes both; what was appended is written first. */
  readonly close: () => Promise<void>;
}

/**
 * @param listeners those that are served: budgets of others are not kept.
 * @throws AppError AUDIT_*, SYS_*; CONFIG_INVALID where there is no state directory to keep them in
 */
export async function openDaemonRecords(
  config: ClavigerdConfig,
  policies: ReadonlyMap<string, NamedPolicy>,
  listeners: readonly ListenConfig[],
  log: Log,
): Promise<DaemonRecords> {
  const audit = await openAuditLog(config, log);
  const refusals = new RefusalRegister(await reserveOf(config));
  try {
    const hasBudgets = listeners.some(
      ({ policy }) => policy !== undefined && (policies.get(policy)?.budgets.length ?? 0) > 0,
    );
    const ledger = hasBudgets ? await openLedger(config, log) : undefined;
    return {
      audit,
      refusals,
      ledger,
      close: async () => {
        refusals.flush();
        try {
          await audit?.close();
        } finally {
          logAuditHead(audit, log);
          await ledger?.close();
        }
      },
    };
  } catch (error) {
    await audit?.close();
    throw error;
  }
}

/**
 * Writes the head of the chain to the log, apart from the audit log: it shows later whether the
 * chain was cut, or replaced as a whole.
 */
export function logAuditHead(audit: AuditLog | undefined, log: Log): void {
  if (audit !== undefined) {
    log.notice('audit', { head: formatHead(audit.head) });
  }
}

async function openAuditLog(config: ClavigerdConfig, log: Log): Promise<AuditLog | undefined> {
  const { auditLog: path, auditDurable: isDurable } = config;
  if (path === undefined) {
    return undefined;
  }
  const directory = stateDirectoryOf(config, 'audit-log');
  const [{ AuditLog }, { headPathOf }] = await Promise.all([
    import('../../audit/audit-log.js'),
    import('../../audit/audit-head.js'),
  ]);
  return AuditLog.open({
    path,
    isDurable,
    headPath: headPathOf(directory, path),
    clock: systemClock,
    onTrouble: (level, message) => {
      log.write(level, 'audit', { message });
    },
    version: packageVersion(),
  });
}

async function reserveOf(config: ClavigerdConfig): Promise<AuditReserve | undefined> {
  if (config.auditLog === undefined) {
    return undefined;
  }
  const { AuditReserve } = await import('../../audit/audit-reserve.js');
  return new AuditReserve(config.auditLog, config.auditReserveMib, systemClock);
}

async function openLedger(config: ClavigerdConfig, log: Log): Promise<BudgetLedger> {
  const directory = stateDirectoryOf(config, 'budgets');
  const { BudgetLedger } = await import('../../budgets/ledger.js');
  const monotonicNow = (): number => performance.now();
  const ledger = BudgetLedger.open({ directory, clock: systemClock, monotonicNow });
  if (ledger.clockLagMs > 0) {
    const seconds = Math.ceil(ledger.clockLagMs / 1000);
    log.warning('budgets', {
      message: `the clock is ${seconds} s behind the last request that was counted; until then a budget has room again only as fast as this daemon runs`,
    });
  }
  return ledger;
}

/** A user without a home has none. */
function stateDirectoryOf({ stateDirectory }: ClavigerdConfig, forWhat: string): string {
  if (stateDirectory === '') {
    throw new AppError('CONFIG_INVALID', `${forWhat}: there is no state directory to note it in`, {
      hint: 'name one by the setting state-directory',
    });
  }
  return stateDirectory;
}
