// One client: its stream, its session, its turns. Runs in the daemon. The peer is hostile: it may stall,
// flood, half-close or vanish at any byte, and only its own connection may suffer for it. What it sends stays
// in the stream, which then reads no more, until there is a turn and a place in the queue for one more line.

import type { Duplex } from 'node:stream';
import type { Client } from '../keys/account-key.js';
import type { Notice } from '../protocol/notice.js';
import type { Refusal } from '../protocol/refusal.js';
import { ServerSession, type Outcome, type SessionEvent } from '../protocol/server-session.js';
import { ConnectionClocks, type ClockSettings } from './connection-clocks.js';
import type { ConnectionLines } from './connection-lines.js';
import type { PlaceHolder, RequestPlaces } from './request-places.js';
import type { Admission, SigningService } from './signing-service.js';
import type { TurnScheduler, Worker } from './turn-scheduler.js';

/** Bytes that are taken from the stream at once; it must not be more than its high-water mark. */
export const READ_BYTES = 4096;
/** Refusals of any kind after which a connection is closed, though it asked for !errors. */
const MAX_REFUSED_REQUESTS = 64;
const WAITING: Notice = {
  code: 'waiting',
  detail: 'the token takes long; it may want to be touched, where clavigerd runs',
};

/** What is the same for all connections of a listener. */
export interface ConnectionSettings {
  readonly greeting: string;
  readonly service: SigningService;
  readonly places: RequestPlaces;
  readonly scheduler: TurnScheduler;
  readonly lines: ConnectionLines;
  readonly clocks: ClockSettings;
}

export interface ConnectionOptions extends ConnectionSettings {
  readonly client: Client;
  readonly stream: Duplex;
  /** Told once, when the stream is gone. */
  readonly onClosed: () => void;
}

export class Connection implements Worker {
  readonly client: Client;
  readonly #options: ConnectionOptions;
  readonly #session: ServerSession;
  readonly #clocks: ConnectionClocks;
  readonly #holder: PlaceHolder;
  readonly #isTold: boolean; // in a line of its own
  /** Bytes of the line in hand for which a place was taken that nobody uses yet. */
  #unusedPlace: number | undefined;
  #isOverdue = false;
  #refused = 0;
  /** Refusals that may not leave yet: meanwhile no line is taken. */
  #heldRefusals = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    const { client, stream, lines } = options;
    this.client = client;
    this.#options = options;
    this.#session = new ServerSession((event) => {
      this.#onSessionEvent(event);
    });
    const onPlace = (): void => {
      this.#wake();
    };
    this.#holder = { requests: 0, bytes: 0, onPlace };
    this.#clocks = new ConnectionClocks(stream, options.clocks, {
      onHalfLine: () => {
        this.destroy('half a line for too long');
      },
      onSilence: () => this.#onSilence(),
      onNoPlace: () => {
        this.#isOverdue = true;
        this.#wake();
      },
    });
    this.#listen(stream);
    stream.write(options.greeting);
    this.#isTold = lines.connected(client.connection);
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

  /** Works on the next line, or throws away what came after the end. */
  takeTurn(): boolean {
    const { stream } = this.#options;
    if (this.#closed) {
      stream.read(); // unread input would turn the close into a reset that loses our last reply
      return stream.readableLength > 0;
    }
    const bytes = this.#heldRefusals > 0 ? undefined : this.#session.nextLineBytes;
    if (bytes === undefined || stream.writableNeedDrain) {
      this.#options.places.leave(this.#holder); // others may have the place that it cannot use
      return false;
    }
    if (!this.#takePlace(bytes)) {
      return false;
    }
    this.#session.takeLine();
    this.#returnUnusedPlace();
    this.#clocks.watchLine(false);
    this.#fill();
    return this.#isReady;
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
      this.#options.lines.failed(this.client.connection, error.message);
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

  /** Takes from the stream what a line needs, and not more than that and a little. */
  #fill(): void {
    const { stream } = this.#options;
    while (!this.#closed && this.#session.needsBytes) {
      // Of nothing, too: a stream tells its end to who reads on.
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
    const isHeld = this.#heldRefusals > 0 || stream.writableNeedDrain;
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

  /** True when the next line may be taken: there is a place for it, or it is to be refused. */
  #takePlace(bytes: number): boolean {
    const { places } = this.#options;
    const isTaken = places.tryTake(this.#holder, bytes);
    if (!isTaken && !this.#isOverdue) {
      // Whoever has requests in the queue goes on when one of them is answered.
      this.#clocks.watchPlace(this.#holder.requests === 0);
      return false;
    }
    this.#unusedPlace = isTaken ? bytes : undefined;
    places.leave(this.#holder);
    this.#clocks.watchPlace(false);
    return true;
  }

  #returnUnusedPlace(): void {
    if (this.#unusedPlace !== undefined) {
      this.#options.places.release(this.#holder, this.#unusedPlace);
      this.#unusedPlace = undefined;
    }
    this.#isOverdue = false;
  }

  #onSessionEvent(event: SessionEvent): void {
    switch (event.kind) {
      case 'request':
        this.#onRequest(event.id, event.line);
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

  #onRequest(id: number, line: Buffer): void {
    const { service, places } = this.#options;
    const bytes = this.#unusedPlace;
    const admission = service.admit(line, this.client.connection, bytes !== undefined);
    if (admission.kind === 'refused') {
      this.#onRefused(id, admission);
      return;
    }
    this.#unusedPlace = undefined;
    const releasePlace = places.releaser(this.#holder, bytes ?? 0);
    const peer = {
      client: this.client,
      onNotice: (): void => {
        this.#session.notify(WAITING);
      },
      isGone: (): boolean => this.#closed,
      onDecided: (): void => {
        this.#heldRefusals += 1;
        releasePlace();
      },
    };
    // `sign` never rejects: its trouble is an outcome.
    void service.sign(admission.request, peer).then((outcome) => {
      releasePlace();
      if (outcome.kind === 'refusal') {
        this.#answerRefusal(id, outcome.refusal);
      } else {
        this.#answer(id, outcome);
      }
    });
  }

  /** What stands behind it is not read before it is told, or the connection closed over it. */
  #onRefused(id: number, { told }: Admission & { kind: 'refused' }): void {
    this.#heldRefusals += 1;
    void told.then((refusal) => {
      this.#answerRefusal(id, refusal);
    });
  }

  /** Nobody is refused by the dozen in good faith, and each refusal costs a line of the log. */
  #answerRefusal(id: number, refusal: Refusal): void {
    this.#heldRefusals -= 1;
    this.#refused += 1;
    this.#answer(id, { kind: 'refusal', refusal });
    if (this.#refused >= MAX_REFUSED_REQUESTS && !this.#closed) {
      this.#session.abandon('too many refused requests');
    }
  }

  #answer(id: number, outcome: Outcome): void {
    if (!this.#closed) {
      this.#session.answer(id, outcome);
      this.#wakeIfReady();
    }
  }

  /** A request in hand keeps the connection, and one that waits for its turn; a client that takes no answers does not. */
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
    this.#options.places.leave(this.#holder);
    this.#options.service.forget(this.client);
    this.#options.lines.closed(this.client.connection, reason, this.#isTold);
  }
}
