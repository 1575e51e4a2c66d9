// Who asks, where a test has several clients. Used by test processes only.

import type { Client } from '../../../src/keys/account-key.js';

/** `account/listener/connection`; what is missing at the front is `default` and `main`. */
export function clientOf(path: string): Client {
  const [connection = '', listener = 'main', account = 'default'] = path.split('/').reverse();
  return { account, listener, connection: `${account}/${listener}/${connection}` };
}
