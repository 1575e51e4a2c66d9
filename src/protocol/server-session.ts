// The daemon's side of a conversation with a client. Pure; clavigerd: bytes in, events out, without
// clock and socket. The client is not trusted. Replies are sent in the order of the requests, in
// whatever order signatures are made. Without the "errors" extension a refused or malformed request
// closes the connection without a reply. Lines are taken one at a time, when the caller asks for
// one; lines that wait are kept as bytes.

import { LineSplitter, type LineError } from '../lib/line-splitter.js';
import {
  ERRORS_LINE,
  MAX_LINE_BYTES,
  MAX_PIPELINED_REQUESTS,
  PING_LINE,
  PONG_LINE,
} from './limits.js';
import { formatNotice, type Notice } from './notice.js';
import { formatRefusal, type Refusal } from './refusal.js';

export type Outcome =
  | { readonly kind: 'signature'; readonly signature: string }
  | { readonly kind: 'refusal'; readonly refusal: Refusal };

export type SessionEvent =
  /**
   * A line to parse, decide on and answer with `answer(id, ...)`.
   * @prop line shares memory with the received bytes: to keep it, copy it
   */
  | { readonly kind: 'request'; readonly id: number; readonly line: Buffer }
  /** Bytes that are no line, and so no request; earlier requests are still answered. */
  | { readonly kind: 'no-line'; readonly error: LineError }
  | { readonly kind: 'write'; readonly text: string }
  /** All replies have been written: close the connection, and log the reason. */
  | { readonly kind: 'close'; readonly reason: string };

/** Longer lines are requests, and no word of the protocol such as `!ping`. */
const MAX_WORD_BYTES = 16;

interface Slot {
  readonly id: number;
  reply: string | undefined;
}

type EventHandler = (event: SessionEvent) => void;

export class ServerSession {
  readonly #onEvent: EventHandler;
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  /** Requests not yet answered on the wire, oldest first. */
  readonly #slots: Slot[] = [];
  #nextId = 1;
  #firstLine = true;
  #errorsEnabled = false;
  /** Why the session ends when its lines are answered; once set, no more bytes are received. */
  #ending: string | undefined;
  /** True, with `#ending` set, where the lines that wait are not taken either. */
  #takesNoMore = false;
  #closed = false;

  /** @param onEvent called with each event; it may call `answer` during a `request` event */
  constructor(onEvent: EventHandler) {
    this.#onEvent = onEvent;
  }

  /** True when another line cannot be taken before more bytes are received. */
  get needsBytes(): boolean {
    return this.#ending === undefined && this.#splitter.nextBytes === undefined;
  }

  /** True while a line has begun and not ended. */
  get isMidLine(): boolean {
    return this.needsBytes && this.#splitter.pendingBytes > 0;
  }

  /**
   * Bytes of the line that `takeLine` would take; undefined while there is none, or no place for
   * its reply.
   */
  get nextLineBytes(): number | undefined {
    const hasPlace = !this.#takesNoMore && this.#slots.length < MAX_PIPELINED_REQUESTS;
    return hasPlace ? this.#splitter.nextBytes : undefined;
  }

  /** True when no request waits for its answer. */
  get isIdle(): boolean {
    return this.#slots.length === 0;
  }

  /** Takes bytes from the client; lines stay uncut. */
  receive(chunk: Uint8Array): void {
    if (this.#ending === undefined) {
      this.#splitter.push(chunk);
    }
  }

  /** Takes one line, if there is one and room for its reply. */
  takeLine(): void {
    const cut = this.nextLineBytes === undefined ? undefined : this.#splitter.next();
    if (cut?.error !== undefined) {
      this.#takesNoMore = true;
      this.#ending = cut.error;
      this.#onEvent({ kind: 'no-line', error: cut.error });
    } else if (cut !== undefined) {
      this.#onLine(cut.line);
    }
    this.#settle();
  }

  /** The client sends no more: its requests are answered, an incomplete line is dropped. */
  endInput(): void {
    this.end(this.isMidLine ? 'truncated line' : 'client closed');
  }

  /** Receives no more bytes; closes when the lines that wait are taken and answered. */
  end(reason: string): void {
    this.#ending ??= reason;
    this.#settle();
  }

  /** Takes no more lines, not even those that wait; closes when the taken requests are answered. */
  abandon(reason: string): void {
    this.#takesNoMore = true;
    this.end(reason);
  }

  /** Sends a notice to a client that waits, if it understands notices. */
  notify(notice: Notice): void {
    if (this.#errorsEnabled && !this.isIdle && !this.#closed) {
      this.#onEvent({ kind: 'write', text: `${formatNotice(notice)}\r\n` });
    }
  }

  /**
   * Answers a request, and writes the replies that are due. Unknown and repeated ids do nothing.
   */
  answer(id: number, outcome: Outcome): void {
    const at = this.#slots.findIndex((slot) => slot.id === id && slot.reply === undefined);
    const slot = this.#slots[at];
    if (slot === undefined) {
      return;
    }
    if (outcome.kind === 'signature') {
      slot.reply = outcome.signature;
    } else if (this.#errorsEnabled) {
      slot.reply = formatRefusal(outcome.refusal);
    } else {
      // As lacme expects: earlier requests are answered, the refused one and later ones are not.
      this.#slots.length = at;
      this.#takesNoMore = true;
      this.#ending = `refused: ${outcome.refusal.code}`;
    }
    this.#settle();
  }

  #onLine(line: Buffer): void {
    const text = line.length <= MAX_WORD_BYTES ? line.toString('latin1') : '';
    const first = this.#firstLine;
    this.#firstLine = false;
    if (first && text === ERRORS_LINE) {
      this.#errorsEnabled = true;
      return;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    if (text === PING_LINE) {
      this.#slots.push({ id, reply: PONG_LINE });
    } else {
      this.#slots.push({ id, reply: undefined });
      this.#onEvent({ kind: 'request', id, line });
    }
  }

  /** Writes what is due, and closes once nothing more can become due. */
  #settle(): void {
    this.#flush();
    const hasLines = !this.#takesNoMore && this.#splitter.nextBytes !== undefined;
    if (this.#ending !== undefined && this.isIdle && !hasLines && !this.#closed) {
      this.#closed = true;
      this.#onEvent({ kind: 'close', reason: this.#ending });
    }
  }

  #flush(): void {
    let text = '';
    for (;;) {
      const reply = this.#slots[0]?.reply;
      if (reply === undefined) {
        break;
      }
      text += `${reply}\r\n`;
      this.#slots.shift();
    }
    if (text !== '') {
      this.#onEvent({ kind: 'write', text });
    }
  }
}
