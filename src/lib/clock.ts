// Time as a parameter, so that tests can set it. Runs in clavigerd, its helpers and claviger.

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** One moment by both clocks. */
export interface Moment {
  /**
   * Milliseconds since 1970-01-01T00:00:00Z, as shown to people: it jumps when the system's time is
   * set.
   */
  readonly wallMs: number;
  /**
   * Milliseconds since the start of the process, which never go back: for measuring intervals.
   */
  readonly monotonicMs: number;
}
