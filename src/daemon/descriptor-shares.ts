// Divides the descriptors that RLIMIT_NOFILE allows among the listeners. Pure; clavigerd, at start.
// Without shares, idle clients of one listener could take all descriptors: no other listener could
// accept a client, no helper be started, no log be reopened.

/**
 * For one start of a helper, a PIN program or flock(1) at a time, /proc, a log or PIN file opened
 * anew.
 */
const RESERVED = 16;
/** A helper's pipes, and what its start needs in addition. */
const PER_HELPER = 6;
/**
 * The socket that listens, and a client that is accepted and disconnected at once, as one too many.
 */
const PER_LISTENER = 2;

interface DescriptorDemand {
  /** RLIMIT_NOFILE. */
  readonly limit: number;
  /** Open before the first socket listens. */
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
  // Those that want least first: what they leave goes to the others.
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
