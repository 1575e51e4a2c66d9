// Who gets how many of the descriptors that RLIMIT_NOFILE allows. Pure; daemon, at start. Without
// shares the idle clients of one listener take all of them: no other listener accepts a client, no
// helper can be started again, no log be opened anew.

/**
 * For one start of a helper, a PIN program or flock(1) at a time, /proc, a log or PIN file opened
 * anew.
 */
const RESERVED = 16;
/** A helper's pipes, and what its start takes beside. */
const PER_HELPER = 6;
/**
 * The socket that listens, and a client that is accepted only to be told that there are too many.
 */
const PER_LISTENER = 2;

export interface DescriptorDemand {
  /** RLIMIT_NOFILE. */
  readonly limit: number;
  /** Open before anybody is listened to. */
  readonly open: number;
  /** Token helpers that may run at once. */
  readonly helpers: number;
  /** `max-connections` of each listener. */
  readonly connections: readonly number[];
}

/**
 * How many clients each listener can have at once.
 * @returns what is wanted, where that fits; else listeners that want less than an equal share get
 *   what they want, and the others share the rest equally. At least one each.
 */
export function shareDescriptors(demand: DescriptorDemand): readonly number[] {
  const { limit, open, helpers, connections } = demand;
  const kept = open + RESERVED + PER_HELPER * helpers + PER_LISTENER * connections.length;
  const shares = connections.map(() => 1);
  let left = limit - kept;
  // The most modest first: what they leave is for those who want more.
  const order = [...connections.keys()].sort(
    (a, b) => (connections[a] ?? 0) - (connections[b] ?? 0),
  );
  for (const [done, at] of order.entries()) {
    const equal = Math.floor(left / (order.length - done));
    const share = Math.max(1, Math.min(connections[at] ?? 1, equal));
    shares[at] = share;
    left -= share;
  }
  return shares;
}
