// Time as a parameter, so that tests own it. Pure.

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** One moment by both clocks. */
export interface Moment {
  /**
   * Milliseconds since 1970-01-01T00:00:00Z, as shown to people: it jumps when somebody sets the
   * time.
   */
  readonly wallMs: number;
  /**
   * Milliseconds from the start of the process, which never go back: for what is due after a while.
   */
  readonly monotonicMs: number;
}
