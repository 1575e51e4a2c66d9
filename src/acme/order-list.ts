// The account's list of orders, RFC 8555 §7.1.2.1: searched for an order whose answer was lost.
// Runs in claviger. Many servers have no such list; without it the order is placed again.

import { isSameIdentifierSet } from './identifier.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import { linkTargets } from './transport/link-header.js';
import { accountSchema, orderListSchema, orderSchema, type Order } from './objects.js';
import { ServerProblem } from './problem.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession } from './session.js';
import { readResource } from './transport/signed-post.js';

/** Pages of the list that are read, and orders that are read: the newest may be at either end. */
const MAX_PAGES = 5;
const MAX_ORDERS = 10;

interface FoundOrder {
  readonly url: URL;
  readonly order: Order;
}

/**
 * An order for exactly these names that is not finalized yet; undefined when none is found.
 */
export async function findRecentOrder(
  session: AccountSession,
  identifiers: readonly ServerIdentifier[],
): Promise<FoundOrder | undefined> {
  try {
    for (const url of await listOrders(session)) {
      const { value: order } = await readResource(session, orderSchema, { url, what: 'order' });
      const isOpen = order.status === 'pending' || order.status === 'ready';
      if (isOpen && isSameIdentifierSet(order.identifiers ?? [], identifiers)) {
        return { url, order };
      }
    }
  } catch (error) {
    if (!(error instanceof ServerProblem)) {
      throw error; // a server that refuses to show its list counts as one without a list
    }
  }
  return undefined;
}

async function listOrders(session: AccountSession): Promise<readonly URL[]> {
  const urlOf = (text: string, what: string): URL =>
    parseServerUrl(text, session.directory.url, what);
  const url = urlOf(session.accountUrl, 'account');
  const account = await readResource(session, accountSchema, { url, what: 'account' });
  const found: URL[] = [];
  let next = account.value.orders ?? undefined;
  for (let page = 0; page < MAX_PAGES && next !== undefined; page += 1) {
    const what = 'list of orders';
    const pageUrl = urlOf(next, 'account: orders');
    const list = await readResource(session, orderListSchema, { url: pageUrl, what });
    found.push(...list.value.orders.map((text) => urlOf(text, what)));
    [next] = linkTargets(list.response.links, 'next', pageUrl);
  }
  const half = MAX_ORDERS / 2;
  return found.length <= MAX_ORDERS
    ? found.reverse()
    : [...found.slice(-half), ...found.slice(0, half)];
}
