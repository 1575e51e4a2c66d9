// The clocks of one connection: silence, half a line, a place in the queue, and the time after its
// end. Runs in the daemon. The peer may stall at any byte; nothing of it is waited for without one
// of these.

import type { Duplex } from 'node:stream';

/** How often a client that ended its side is looked for while it has a request in hand. */
const LEAVING_CHECK_MS = 500;
/** Time the last reply has to leave, at least. */
const MIN_FLUSH_MS = 1000;

export interface ClockSettings {
  /** A line begun must end within this time. */
  readonly lineTimeoutMs: number;
  /** A connection without a byte or an answer for this time is closed. */
  readonly idleTimeoutMs: number;
  /** A request that waits so long for its place in the queue is refused as `busy`. */
  readonly placeTimeoutMs: number;
  /** How long the peer may take to close its side after us; 0 for a pipe, which does not tell. */
  readonly lingerMs: number;
}

export interface ClockHandlers {
  readonly onHalfLine: () => void;
  /** @returns true to be told again after the same time */
  readonly onSilence: () => boolean;
  readonly onNoPlace: () => void;
}

export class ConnectionClocks {
  readonly #stream: Duplex;
  readonly #settings: ClockSettings;
  readonly #handlers: ClockHandlers;
  readonly #idle: NodeJS.Timeout;
  #isStopped = false;
  #line: NodeJS.Timeout | undefined;
  #place: NodeJS.Timeout | undefined;
  #leaving: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, settings: ClockSettings, handlers: ClockHandlers) {
    this.#stream = stream;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#idle = setTimeout(() => {
      if (this.#handlers.onSilence()) {
        this.#idle.refresh();
      }
    }, settings.idleTimeoutMs);
  }

  /** Bytes came, or an answer left. */
  restartIdle(): void {
    if (!this.#isStopped) {
      this.#idle.refresh(); // it would start a timer anew that was cleared
    }
  }

  /** The clock of half a line starts with its first bytes; it stands still while we do not read. */
  watchLine(isMidLine: boolean): void {
    if (isMidLine) {
      this.#line ??= setTimeout(this.#handlers.onHalfLine, this.#settings.lineTimeoutMs);
    } else {
      clearTimeout(this.#line);
      this.#line = undefined;
    }
  }

  /** The clock of a request that waits for its place starts when it is first told to. */
  watchPlace(isWaiting: boolean): void {
    if (isWaiting) {
      this.#place ??= setTimeout(this.#handlers.onNoPlace, this.#settings.placeTimeoutMs);
    } else {
      clearTimeout(this.#place);
      this.#place = undefined;
    }
  }

  /**
   * A client that ended its side may still read, or be gone: a write of nothing fails with EPIPE
   * for the latter alone, and closes the stream. Nobody's finger is waited for on behalf of the
   * gone.
   */
  watchForLeaving(): void {
    this.#leaving ??= setInterval(() => {
      this.#stream.write('');
    }, LEAVING_CHECK_MS);
  }

  /** All but that of the stream's end. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#idle);
    clearInterval(this.#leaving);
    this.watchLine(false);
    this.watchPlace(false);
  }

  /**
   * Ends the stream: what is written still leaves; a client that then neither reads nor closes is
   * cut off.
   */
  endStream(): void {
    const { lingerMs } = this.#settings;
    const timer = setTimeout(
      () => {
        this.#stream.destroy();
      },
      Math.max(lingerMs, MIN_FLUSH_MS),
    );
    this.#stream.once('close', () => {
      clearTimeout(timer);
    });
    this.#stream.end(() => {
      if (lingerMs === 0) {
        this.#stream.destroy();
      }
    });
  }
}
