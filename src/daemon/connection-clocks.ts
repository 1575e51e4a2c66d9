// The timers of one connection: silence, an incomplete line, the wait for a place in the queue, and
// the time after its end. Runs in clavigerd. The peer may stop at any byte, so that every wait for
// it has one of these timers.

import type { Duplex } from 'node:stream';
import type { Timer, Timers } from '../lib/timers.js';

/** How often a client that ended its side is probed while it has a request in hand. */
const LEAVING_CHECK_MS = 500;
/** Time the last reply has to leave, at least. */
const MIN_FLUSH_MS = 1000;

export interface ClockSettings {
  /** A line begun must end within this time. */
  readonly lineTimeoutMs: number;
  /** A connection without a byte or an answer for this time is closed. */
  readonly idleTimeoutMs: number;
  /** A request that waits this long for its place in the queue is refused as `busy`. */
  readonly placeTimeoutMs: number;
  /**
   * How long the peer may take to close its side after us; 0 for a pipe, which does not show it.
   */
  readonly lingerMs: number;
}

interface ClockHandlers {
  readonly onHalfLine: () => void;
  /** @returns true to be called again after the same time */
  readonly onSilence: () => boolean;
  readonly onNoPlace: () => void;
}

interface ConnectionClocksOptions {
  readonly timers: Timers;
  readonly settings: ClockSettings;
  readonly handlers: ClockHandlers;
}

export class ConnectionClocks {
  readonly #stream: Duplex;
  readonly #timers: Timers;
  readonly #settings: ClockSettings;
  readonly #handlers: ClockHandlers;
  #idle: Timer | undefined;
  /** When the last byte came or the last answer left. */
  #activeAt: number;
  #line: Timer | undefined;
  #place: Timer | undefined;
  #leaving: Timer | undefined;

  constructor(stream: Duplex, { timers, settings, handlers }: ConnectionClocksOptions) {
    this.#stream = stream;
    this.#timers = timers;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#activeAt = timers.now();
    this.#watchSilence(settings.idleTimeoutMs);
  }

  /** Bytes came, or an answer left. Costs no new timer: the running one looks at the time. */
  restartIdle(): void {
    this.#activeAt = this.#timers.now();
  }

  /** The timer of an incomplete line starts with its first bytes; it stops while we do not read. */
  watchLine(isMidLine: boolean): void {
    if (isMidLine) {
      this.#line ??= this.#timers.after(this.#settings.lineTimeoutMs, this.#handlers.onHalfLine);
    } else {
      this.#line?.cancel();
      this.#line = undefined;
    }
  }

  /** The timer of a request that waits for its place starts at the first call with true. */
  watchPlace(isWaiting: boolean): void {
    if (isWaiting) {
      this.#place ??= this.#timers.after(this.#settings.placeTimeoutMs, this.#handlers.onNoPlace);
    } else {
      this.#place?.cancel();
      this.#place = undefined;
    }
  }

  /**
   * A client that ended its side may still read, or be gone. Writing no bytes fails with EPIPE in
   * the second case alone, and closes the stream: the token then stops waiting for a touch that
   * no client needs.
   */
  watchForLeaving(): void {
    this.#leaving ??= this.#timers.after(LEAVING_CHECK_MS, () => {
      this.#leaving = undefined;
      this.watchForLeaving();
      this.#stream.write('');
    });
  }

  /** Stops all timers but that of the stream's end. */
  stop(): void {
    this.#idle?.cancel();
    this.#leaving?.cancel();
    this.watchLine(false);
    this.watchPlace(false);
  }

  /**
   * Ends the stream: what is written still leaves; a client that then neither reads nor closes is
   * cut off.
   */
  endStream(): void {
    const { lingerMs } = this.#settings;
    const timer = this.#timers.after(Math.max(lingerMs, MIN_FLUSH_MS), () => {
      this.#stream.destroy();
    });
    this.#stream.once('close', () => {
      timer.cancel();
    });
    this.#stream.end(() => {
      if (lingerMs === 0) {
        this.#stream.destroy();
      }
    });
  }

  #watchSilence(ms: number): void {
    this.#idle = this.#timers.after(ms, () => {
      const { idleTimeoutMs } = this.#settings;
      const remainingMs = this.#activeAt + idleTimeoutMs - this.#timers.now();
      if (remainingMs > 0) {
        this.#watchSilence(remainingMs);
      } else if (this.#handlers.onSilence()) {
        this.#watchSilence(idleTimeoutMs);
      }
    });
  }
}
