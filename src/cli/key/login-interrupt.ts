// SIGINT, SIGTERM and SIGHUP for a command that logs in to a token: it ends after the login that is
// under way, since a login that is cut off leaves a PIN latch. A second signal ends it at once.
// Runs in the `clavigerd key` commands.

import type { LoginAttempts } from '../../keys/pin/login-attempts.js';

/**
 * Lets the command end by the signal, as it would without a handler, once no login is under way.
 */
export function finishLoginsAtInterrupt(attempts: LoginAttempts): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      void attempts.stop().then(() => {
        process.kill(process.pid, signal); // there is no handler any more
      });
    });
  }
}
