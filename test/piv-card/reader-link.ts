// One slot of vpcd, the virtual reader of vsmartcard: a TCP connection is a card in the reader, its
// end is a pull. Frames are a 16-bit length and that many bytes; a single byte is about power. Part
// of the virtual card.

import { connect, type Socket } from 'node:net';
import { CardChannel } from './card-channel.js';
import type { VirtualCard } from './virtual-card.js';

/** YubiKey 5 over CCID. */
const ANSWER_TO_RESET = Buffer.from('3bfd1300008131fe158073c021c057597562694b657940', 'hex');
const GET_ATR = 4;
const RECONNECT_MS = 100;

export class ReaderLink {
  readonly #port: number;
  #card: VirtualCard | undefined;
  #channel: CardChannel | undefined;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #received: Buffer = Buffer.alloc(0);
  /** Commands are answered one after another. */
  #turn: Promise<void> = Promise.resolve();

  constructor(port: number) {
    this.#port = port;
  }

  /** Puts a card in, and again whenever the reader comes back, until it is removed. */
  insert(card: VirtualCard): void {
    this.remove();
    this.#card = card;
    this.#connect();
  }

  /** Pulls the card out, whatever it is doing. */
  remove(): void {
    clearTimeout(this.#timer);
    const card = this.#card;
    this.#card = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
    card?.reset();
  }

  #connect(): void {
    const card = this.#card;
    if (card === undefined) {
      return;
    }
    const socket = connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    this.#socket = socket;
    this.#received = Buffer.alloc(0);
    this.#channel = new CardChannel(card);
    socket.on('data', (chunk) => {
      this.#onData(socket, chunk);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) {
        card.reset();
        this.#timer = setTimeout(() => {
          this.#connect();
        }, RECONNECT_MS);
      }
    });
  }

  #onData(socket: Socket, chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 2) {
      const end = 2 + this.#received.readUInt16BE(0);
      if (this.#received.length < end) {
        return;
      }
      const body = this.#received.subarray(2, end);
      this.#received = this.#received.subarray(end);
      this.#turn = this.#turn.then(() => this.#answer(socket, body));
    }
  }

  async #answer(socket: Socket, body: Buffer): Promise<void> {
    if (this.#socket !== socket || this.#channel === undefined) {
      return;
    }
    if (body.length > 1) {
      this.#send(socket, await this.#channel.transmit(body));
    } else if (body[0] === GET_ATR) {
      this.#send(socket, ANSWER_TO_RESET);
    } else {
      // Off, on, reset: nothing to answer.
      this.#card?.reset();
    }
  }

  #send(socket: Socket, bytes: Buffer): void {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    if (!socket.destroyed) {
      socket.write(Buffer.concat([length, bytes]));
    }
  }
}
