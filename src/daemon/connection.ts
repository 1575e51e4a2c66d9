// One client: its stream, its session, its turns. Runs in clavigerd. The peer is not trusted: it
// may stop, flood, half-close or vanish at any byte, and only its own connection may suffer for it.
// What it sends stays in the stream, which stops reading from the socket when it is full, until the
// connection has a turn and a place in the queue for one more line.

import type { Duplex } from 'node:stream';
import type { Client } from '../keys/account-key.js';
import type { Timers } from '../lib/timers.js';
import type { Notice } from '../protocol/notice.js';
import { ServerSession, type SessionEvent } from '../protocol/server-session.js';
import { ConnectionClocks, type ClockSettings } from './connection-clocks.js';
import type { ConnectionLog } from './connection-log.js';
import type { RequestPlaces } from './request-places.js';
import { RequestsInHand } from './requests-in-hand.js';
import type { LineService } from './signing-service.js';
import type { TurnScheduler, TurnTaker } from './turn-scheduler.js';

/** Bytes that are read from the stream at once; at most its high-water mark. */
export const READ_BYTES = 4096;
const WAITING: Notice = {
  code: 'waiting',
  detail: 'the token takes long; it may want to be touched, where clavigerd runs',
};

/** What is the same for all connections of a listener. */
export interface ConnectionSettings {
  readonly greeting: string;
  readonly service: LineService;
  readonly places: RequestPlaces;
  readonly scheduler: TurnScheduler;
  readonly connectionLog: ConnectionLog;
  readonly clocks: ClockSettings;
  readonly timers: Timers;
}

interface ConnectionOptions extends ConnectionSettings {
  readonly client: Client;
  readonly stream: Duplex;
  /** Called once, when the stream is closed. */
  readonly onClosed: () => void;
}

export class Connection implements TurnTaker {
  readonly client: Client;
  readonly #options: ConnectionOptions;
  readonly #session: ServerSession;
  readonly #clocks: ConnectionClocks;
  readonly #inHand: RequestsInHand;
  /** True: its beginning has a line of its own in the log, and so has its end. */
  readonly #hasOwnLine: boolean;
  #closed = false;

  constructor(options: ConnectionOptions) {
    const { client, stream, connectionLog, timers } = options;
    this.client = client;
    this.#options = options;
    this.#session = new ServerSession((event) => {
      this.#onSessionEvent(event);
    });
    this.#clocks = new ConnectionClocks(stream, {
      timers,
      settings: options.clocks,
      handlers: {
        onHalfLine: () => {
          this.destroy('half a line for too long');
        },
        onSilence: () => this.#onSilence(),
        onNoPlace: () => {
          this.#inHand.giveUpPlace();
          this.#wake();
        },
      },
    });
    this.#inHand = this.#newInHand(options);
    this.#listen(stream);
    stream.write(options.greeting);
    this.#hasOwnLine = connectionLog.connected(client.connection);
  }

  /** Takes no more requests; closes when those in hand are answered. */
  finish(): void {
    this.#session.end('shutting down');
  }

  /** Ends the connection now, whatever is in hand. */
  destroy(reason: string): void {
    this.#end(reason);
    this.#options.stream.destroy();
  }

  /** Works on the next line; after the end it discards what is still read. */
  takeTurn(): boolean {
    const { stream } = this.#options;
    if (this.#closed) {
      stream.read(); // unread input would turn the close into a reset that loses our last reply
      return stream.readableLength > 0;
    }
    const bytes = this.#inHand.isHeld ? undefined : this.#session.nextLineBytes;
    if (bytes === undefined || stream.writableNeedDrain) {
      this.#inHand.leavePlaces(); // others may have the place that it cannot use
      return false;
    }
    if (!this.#inHand.takePlace(bytes)) {
      return false;
    }
    this.#session.takeLine();
    this.#inHand.returnUnusedPlace();
    this.#clocks.watchLine(false);
    this.#fill();
    return this.#isReady;
  }

  #newInHand({ client, service, places }: ConnectionOptions): RequestsInHand {
    return new RequestsInHand({
      client,
      service,
      places,
      onPlace: () => {
        this.#wake();
      },
      watchPlace: (isWaiting) => {
        this.#clocks.watchPlace(isWaiting);
      },
      onNotice: () => {
        this.#session.notify(WAITING);
      },
      onAnswer: (id, outcome) => {
        if (!this.#closed) {
          this.#session.answer(id, outcome);
          this.#wakeIfReady();
        }
      },
      onTooManyRefusals: () => {
        if (!this.#closed) {
          this.#session.abandon('too many refused requests');
        }
      },
      isGone: () => this.#closed,
    });
  }

  #listen(stream: Duplex): void {
    stream.on('readable', () => {
      this.#onReadable();
    });
    stream.on('end', () => {
      this.#session.endInput();
      if (!this.#closed) {
        this.#clocks.watchForLeaving();
      }
    });
    stream.on('drain', () => {
      this.#wakeIfReady();
    });
    stream.on('error', (error) => {
      this.#options.connectionLog.failed(this.client.connection, error.message);
    });
    stream.on('close', () => {
      this.#end('client vanished');
      this.#options.onClosed();
    });
  }

  #onReadable(): void {
    this.#clocks.restartIdle();
    this.#fill();
    if (this.#closed || this.#isReady) {
      this.#wake();
    }
  }

  /** Reads from the stream what the next line needs, and at most READ_BYTES beyond that. */
  #fill(): void {
    const { stream } = this.#options;
    while (!this.#closed && this.#session.needsBytes) {
      // Also when nothing is there: a stream emits 'end' only to a read at its end.
      const chunk: unknown = stream.read(Math.min(stream.readableLength, READ_BYTES));
      if (!(chunk instanceof Uint8Array)) {
        break;
      }
      this.#session.receive(chunk);
    }
    this.#clocks.watchLine(!this.#closed && this.#session.isMidLine);
  }

  get #isReady(): boolean {
    const { stream } = this.#options;
    if (this.#closed) {
      return stream.readableLength > 0;
    }
    const isHeld = this.#inHand.isHeld || stream.writableNeedDrain;
    return !isHeld && this.#session.nextLineBytes !== undefined;
  }

  #wakeIfReady(): void {
    if (this.#isReady) {
      this.#wake();
    }
  }

  #wake(): void {
    this.#options.scheduler.wake(this);
  }

  #onSessionEvent(event: SessionEvent): void {
    switch (event.kind) {
      case 'request':
        this.#inHand.take(event.id, event.line);
        break;
      case 'no-line':
        this.#options.service.refuseLine(event.error, this.client.connection);
        break;
      case 'write':
        this.#clocks.restartIdle();
        this.#options.stream.write(event.text, 'latin1'); // ASCII, cheaper than UTF-8
        break;
      case 'close':
        this.#end(event.reason);
        this.#clocks.endStream();
        this.#wakeIfReady();
        break;
    }
  }

  /**
   * A connection with a request in hand, or one that waits for its turn, is kept; one whose client
   * does not read its answers is not.
   */
  #onSilence(): boolean {
    const isWaitedFor = this.#session.needsBytes || this.#options.stream.writableNeedDrain;
    if (this.#session.isIdle && isWaitedFor) {
      this.destroy('idle for too long');
    }
    return !this.#closed;
  }

  /** The conversation is over; the stream may still be flushing. */
  #end(reason: string): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#clocks.stop();
    this.#inHand.leavePlaces();
    this.#options.service.cancel(this.client);
    this.#options.connectionLog.closed(this.client.connection, reason, this.#hasOwnLine);
  }
}
