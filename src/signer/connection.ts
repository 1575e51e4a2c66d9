// One client: its stream, its session, its clocks. Runs in the daemon. The peer is hostile: it may
// stall, flood, half-close or vanish at any byte, and only its own connection may suffer for it.

import type { Duplex } from 'node:stream';
import type { Log } from '../sys/log.js';
import type { Notice } from '../protocol/notice.js';
import type { Refusal } from '../protocol/refusal.js';
import { ServerSession, type Outcome, type SessionEvent } from '../protocol/server-session.js';
import type { Admission, SigningService } from './signing-service.js';

const LF = 0x0a;
/** A chunk this large ends a client's turn; a request has a few hundred bytes. */
const MAX_TURN_BYTES = 4096;
/** Malformed and denied requests after which a connection is closed, though it asked for !errors. */
const MAX_REFUSED_REQUESTS = 64;
/** How often a client that ended its side is looked for while it has a request in hand. */
const LEAVING_CHECK_MS = 500;
const WAITING: Notice = {
  code: 'waiting',
  detail: 'the token takes long; it may want to be touched, where clavigerd runs',
};
/** Time the last reply has to leave, at least. */
const MIN_FLUSH_MS = 1000;

export interface ConnectionOptions {
  /** How the log calls this connection. */
  readonly id: string;
  readonly stream: Duplex;
  readonly greeting: string;
  readonly service: SigningService;
  readonly log: Log;
  /** A line begun must end within this time. */
  readonly lineTimeoutMs: number;
  /** A connection without a byte or an answer for this time is closed. */
  readonly idleTimeoutMs: number;
  /** How long the peer may take to close its side after us; 0 for a pipe, which does not tell. */
  readonly lingerMs: number;
  /** Told once, when the stream is gone. */
  readonly onClosed: () => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #session: ServerSession;
  #idleTimer: NodeJS.Timeout | undefined;
  #lineTimer: NodeJS.Timeout | undefined;
  #goneTimer: NodeJS.Timeout | undefined;
  #refused = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#session = new ServerSession((event) => {
      this.#onSessionEvent(event);
    });
    const { stream } = options;
    stream.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    stream.on('end', () => {
      this.#session.endInput();
      this.#watchForLeaving();
    });
    stream.on('drain', () => {
      this.#resumeIfReady();
    });
    stream.on('error', (error) => {
      options.log.debug('connection-error', { conn: options.id, reason: error.message });
    });
    stream.on('close', () => {
      this.#end('client vanished');
      options.onClosed();
    });
    this.#restartIdleTimer();
    stream.write(options.greeting);
    options.log.info('connected', { conn: options.id });
  }

  /** Takes no more requests; closes when what is in hand is answered. */
  finish(): void {
    this.#session.end('shutting down');
  }

  /** Ends the connection now, whatever is in hand. */
  destroy(reason: string): void {
    this.#end(reason);
    this.#options.stream.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#restartIdleTimer();
    this.#session.receive(chunk);
    this.#watchHalfLine(chunk);
    if (chunk.length >= MAX_TURN_BYTES && !this.#closed) {
      // One client's flood is not read on before the others have had their turn.
      this.#pause();
      setImmediate(() => {
        this.#resumeIfReady();
      });
    } else if (!this.#isReady()) {
      this.#pause();
    }
  }

  #onSessionEvent(event: SessionEvent): void {
    switch (event.kind) {
      case 'request':
        this.#onRequest(event.id, event.line);
        break;
      case 'no-line':
        this.#options.service.refuseLine(event.error, this.#options.id);
        break;
      case 'write':
        this.#restartIdleTimer();
        this.#options.stream.write(event.text, 'latin1'); // ASCII, cheaper than UTF-8
        break;
      case 'close':
        this.#end(event.reason);
        this.#closeStream();
        break;
    }
  }

  #onRequest(id: number, line: Buffer): void {
    const { service } = this.#options;
    const admission = service.admit(line, this.#options.id);
    if (admission.kind === 'refused') {
      this.#onRefused(id, admission);
      return;
    }
    const peer = {
      onNotice: (): void => {
        this.#session.notify(WAITING);
      },
      isGone: (): boolean => this.#closed,
    };
    // `sign` never rejects: its trouble is an outcome.
    void service.sign(admission.request, peer).then((outcome) => {
      this.#answer(id, outcome);
    });
  }

  #onRefused(id: number, { refusal, recorded }: Admission & { kind: 'refused' }): void {
    const outcome = { kind: 'refusal', refusal } as const;
    if (this.#session.tellsRefusals) {
      void recorded.then(() => {
        this.#answer(id, outcome);
      });
    } else {
      // There is no reply that could leave too early, and nothing behind it may be signed.
      this.#session.answer(id, outcome);
    }
    this.#countRefusal(refusal);
  }

  #answer(id: number, outcome: Outcome): void {
    if (!this.#closed) {
      this.#session.answer(id, outcome);
      this.#resumeIfReady();
    }
  }

  /** Nobody sends nonsense by the dozen in good faith, and each line of it costs a line of the log. */
  #countRefusal(refusal: Refusal): void {
    this.#refused += refusal.code === 'malformed' || refusal.code === 'denied' ? 1 : 0;
    if (this.#refused >= MAX_REFUSED_REQUESTS) {
      this.#session.abandon('too many refused requests');
    }
  }

  #isReady(): boolean {
    return !this.#closed && !this.#session.isFull && !this.#options.stream.writableNeedDrain;
  }

  /** While we do not read, the rest of a line cannot come: its clock stands still. */
  #pause(): void {
    this.#options.stream.pause();
    clearTimeout(this.#lineTimer);
    this.#lineTimer = undefined;
  }

  #resumeIfReady(): void {
    if (this.#isReady()) {
      this.#options.stream.resume();
      this.#startLineTimer();
    }
  }

  /**
   * A client that ended its side may still read, or be gone: a write of nothing fails with EPIPE for the
   * latter alone, and closes the stream. Nobody's finger is waited for on behalf of the gone.
   */
  #watchForLeaving(): void {
    if (!this.#closed) {
      this.#goneTimer = setInterval(() => {
        this.#options.stream.write('');
      }, LEAVING_CHECK_MS);
    }
  }

  /** Restarted by bytes and by answers; a signature in hand keeps the connection. */
  #restartIdleTimer(): void {
    if (this.#idleTimer !== undefined) {
      this.#idleTimer.refresh();
      return;
    }
    this.#idleTimer = setTimeout(() => {
      if (this.#session.isIdle) {
        this.destroy('idle for too long');
      } else {
        this.#idleTimer?.refresh();
      }
    }, this.#options.idleTimeoutMs);
  }

  /** The clock of a half-sent line starts with its first bytes; only the end of the line stops it. */
  #watchHalfLine(chunk: Buffer): void {
    if (chunk.includes(LF)) {
      clearTimeout(this.#lineTimer);
      this.#lineTimer = undefined;
    }
    this.#startLineTimer();
  }

  #startLineTimer(): void {
    if (this.#session.isMidLine && this.#lineTimer === undefined && !this.#closed) {
      this.#lineTimer = setTimeout(() => {
        this.destroy('half a line for too long');
      }, this.#options.lineTimeoutMs);
    }
  }

  /** What is written still leaves; a client that then neither reads nor closes is cut off. */
  #closeStream(): void {
    const { stream, lingerMs } = this.#options;
    const timer = setTimeout(
      () => {
        stream.destroy();
      },
      Math.max(lingerMs, MIN_FLUSH_MS),
    );
    stream.once('close', () => {
      clearTimeout(timer);
    });
    stream.end(() => {
      if (lingerMs === 0) {
        stream.destroy();
      }
    });
    stream.resume(); // unread input must not turn the close into a reset that loses our last reply
  }

  /** The conversation is over; the stream may still be flushing. */
  #end(reason: string): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#lineTimer);
    clearInterval(this.#goneTimer);
    this.#options.service.forget(this.#options.id);
    this.#options.log.info('closed', { conn: this.#options.id, reason });
  }
}
