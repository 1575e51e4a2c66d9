// One client's conversation, seen from the daemon. Pure: bytes in, events out, no clock, no socket.
// It keeps the order of replies, whatever order signatures come in, and the one rule of refusals:
// without the "errors" extension a refused or malformed request closes the connection unanswered.

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
  /** A line to parse, decide upon and answer with `answer(id, ...)`. */
  | { readonly kind: 'request'; readonly id: number; readonly line: Buffer }
  /** Bytes that are no line, and so no request; what came before them is still answered. */
  | { readonly kind: 'no-line'; readonly error: LineError }
  | { readonly kind: 'write'; readonly text: string }
  /** Everything due has been written; close, and say why in the log. */
  | { readonly kind: 'close'; readonly reason: string };

/** Longer lines are no word of the protocol, but requests. */
const MAX_WORD_BYTES = 16;

interface Slot {
  readonly id: number;
  reply: string | undefined;
}

export type EventHandler = (event: SessionEvent) => void;

export class ServerSession {
  readonly #onEvent: EventHandler;
  readonly #splitter = new LineSplitter(MAX_LINE_BYTES);
  /** Whole lines not looked at yet, because enough requests are pending. */
  readonly #waiting: Buffer[] = [];
  /** Requests not yet answered on the wire, oldest first. */
  readonly #slots: Slot[] = [];
  #nextId = 1;
  #firstLine = true;
  #errorsEnabled = false;
  /** Why the session ends once everything taken in is answered; set, no more bytes are taken. */
  #ending: string | undefined;
  #closed = false;
  #pumping = false;

  /** @param onEvent told of each event; may call `answer` from inside a `request` event. */
  constructor(onEvent: EventHandler) {
    this.#onEvent = onEvent;
  }

  /** Lines wait for pending requests: the caller should read no more until an answer went out. */
  get isFull(): boolean {
    return this.#waiting.length > 0;
  }

  /** False where a refusal only closes the connection. */
  get tellsRefusals(): boolean {
    return this.#errorsEnabled;
  }

  /** True while a line has begun and not ended. */
  get isMidLine(): boolean {
    return this.#splitter.pendingBytes > 0;
  }

  /** True when nothing taken in is unanswered. */
  get isIdle(): boolean {
    return this.#slots.length === 0 && this.#waiting.length === 0;
  }

  /** Takes bytes from the client. */
  receive(chunk: Uint8Array): void {
    if (this.#ending !== undefined) {
      return;
    }
    const { lines, error } = this.#splitter.push(chunk);
    this.#waiting.push(...lines);
    this.#ending = error;
    if (error !== undefined) {
      this.#onEvent({ kind: 'no-line', error });
    }
    this.#pump();
  }

  /** The client will send no more: what it asked is answered, a half line is dropped. */
  endInput(): void {
    this.end(this.isMidLine ? 'truncated line' : 'client closed');
  }

  /** Takes no more bytes; closes when what has been taken in is answered. */
  end(reason: string): void {
    this.#ending ??= reason;
    this.#pump();
  }

  /** Takes nothing more, not even what waits; closes when the requests in hand are answered. */
  abandon(reason: string): void {
    this.#waiting.length = 0;
    this.end(reason);
  }

  /** Tells a client that waits something that is no answer, if it can take that. */
  notify(notice: Notice): void {
    if (this.#errorsEnabled && !this.isIdle && !this.#closed) {
      this.#onEvent({ kind: 'write', text: `${formatNotice(notice)}\r\n` });
    }
  }

  /** Answers a request; writes whatever has become due. Unknown or repeated ids do nothing. */
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
      // As lacme expects: what came before is answered; the refused request and all behind it are not.
      this.#slots.length = at;
      this.#waiting.length = 0;
      this.#ending = `refused: ${outcome.refusal.code}`;
    }
    this.#pump();
  }

  /** Takes lines up to the pipelining limit, writes what is due, closes at the end. */
  #pump(): void {
    if (this.#pumping) {
      return; // answered from inside a request event: the loop below goes on
    }
    this.#pumping = true;
    do {
      this.#takeLines();
      this.#flush();
    } while (this.#waiting.length > 0 && this.#slots.length < MAX_PIPELINED_REQUESTS);
    this.#pumping = false;
    if (this.#ending !== undefined && this.isIdle && !this.#closed) {
      this.#closed = true;
      this.#onEvent({ kind: 'close', reason: this.#ending });
    }
  }

  #takeLines(): void {
    while (this.#slots.length < MAX_PIPELINED_REQUESTS) {
      const line = this.#waiting.shift();
      if (line === undefined) {
        return;
      }
      this.#takeLine(line);
    }
  }

  #takeLine(line: Buffer): void {
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
