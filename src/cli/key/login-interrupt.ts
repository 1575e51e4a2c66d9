// INT, TERM and HUP to a command that logs in to a token: the login that is under way is waited
// for, since one whose end nobody saw keeps everybody from the token. A second signal ends the
// command at once.

import type { LoginAttempts } from '../../keys/pin/login-attempts.js';

/**
 * Has the command end by the signal, as it would without this, when no login is under way any more.
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
