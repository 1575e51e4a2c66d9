// The account's list of orders, RFC 8555 §7.1.2.1, asked for one whose answer was lost. Runs in the
// client. Many servers have no such list, and nothing depends on it.

import { isSameIdentifierSet, type Identifier } from './identifier.js';
import { parseBody } from './transport/json.js';
import { linkTargets } from './transport/link-header.js';
import { accountSchema, orderListSchema, orderSchema, type Order } from './objects.js';
import { ServerProblem } from './problem.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './transport/signed-post.js';

/**
 * Pages of the list that are read, and orders that are looked at: the newest may be at either end.
 */
const MAX_PAGES = 5;
const MAX_ORDERS = 10;

export interface FoundOrder {
  readonly url: URL;
  readonly order: Order;
}

/**
 * An order for exactly these names that waits for its proofs or its request; undefined when there
 * is none to be found.
 */
export async function findRecentOrder(
  session: AcmeSession,
  accountUrl: string,
  identifiers: readonly Identifier[],
): Promise<FoundOrder | undefined> {
  try {
    for (const url of await listOrders(session, accountUrl)) {
      const order = await read(session, accountUrl, url, orderSchema, 'order');
      const isOpen = order.status === 'pending' || order.status === 'ready';
      if (isOpen && isSameIdentifierSet(order.identifiers ?? [], identifiers)) {
        return { url, order };
      }
    }
  } catch (error) {
    if (!(error instanceof ServerProblem)) {
      throw error; // a server that refuses its list has none for us
    }
  }
  return undefined;
}

async function listOrders(session: AcmeSession, accountUrl: string): Promise<readonly URL[]> {
  const { directory } = session;
  const account = parseServerUrl(accountUrl, directory.url, 'account');
  const { orders } = await read(session, accountUrl, account, accountSchema, 'account');
  const found: URL[] = [];
  let next = orders ?? undefined;
  for (let page = 0; page < MAX_PAGES && next !== undefined; page += 1) {
    const url = parseServerUrl(next, directory.url, 'account: orders');
    const what = 'list of orders';
    const response = await postSigned(session, { url, payload: undefined, accountUrl, what });
    const list = parseBody(orderListSchema, response, what).orders;
    found.push(...list.map((text) => parseServerUrl(text, directory.url, what)));
    [next] = linkTargets(response.links, 'next', url);
  }
  const half = MAX_ORDERS / 2;
  return found.length <= MAX_ORDERS
    ? found.reverse()
    : [...found.slice(-half), ...found.slice(0, half)];
}

async function read<TSchema extends Parameters<typeof parseBody>[0]>(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  schema: TSchema,
  what: string,
): Promise<ReturnType<typeof parseBody<TSchema>>> {
  const response = await postSigned(session, { url, payload: undefined, accountUrl, what });
  return parseBody(schema, response, what);
}
