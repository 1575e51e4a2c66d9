// The head of a chain of audit records: the number and the hash of its last record. Whoever keeps a
// head elsewhere can later show that no record up to it was removed or changed. Pure; clavigerd and
// `clavigerd audit`. It imports nothing, so that a daemon without an audit log starts sooner.

export interface ChainHead {
  /** The number of the last record; 0 before the first. */
  readonly seq: number;
  /** SHA-256 of its line, lower-case hex. */
  readonly hash: string;
}

/** `prev` of the first record of all. */
export const NO_HASH = '0'.repeat(64);

/** The head of a chain that has no record yet. */
export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: NO_HASH };

/** `120:2c26b46b...`, as `clavigerd audit verify --head` takes it. */
export function formatHead({ seq, hash }: ChainHead): string {
  return `${seq}:${hash}`;
}

/** Whether both are of the same record. */
export function isSameHead(a: ChainHead, b: ChainHead): boolean {
  return a.seq === b.seq && a.hash === b.hash;
}
