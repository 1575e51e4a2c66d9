// The daemon's side of a connection, whose peer is the test: nothing happens that the test does not
// do. Used by unit tests only.

import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

type WriteCallback = (error?: Error) => void;

export class StreamDouble extends Duplex {
  /** Everything the daemon has written. */
  sent = '';
  #isReading = true;
  #isGone = false;
  #heldCallback: WriteCallback | undefined;

  constructor(highWaterMark = 4096) {
    // That for writing is 16 KiB on Node 20 and 64 KiB on newer ones.
    super({
      allowHalfOpen: true,
      readableHighWaterMark: highWaterMark,
      writableHighWaterMark: 16 * 1024,
    });
  }

  override _read(): void {
    // The test pushes.
  }

  override _write(chunk: Buffer, _encoding: string, callback: WriteCallback): void {
    if (this.#isGone) {
      callback(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      return;
    }
    this.sent += chunk.toString('latin1');
    if (this.#isReading) {
      callback();
    } else {
      this.#heldCallback = callback;
    }
  }

  /** The peer sends bytes. Resolves when the daemon has had its turns. */
  async receive(text: string): Promise<void> {
    this.push(Buffer.from(text, 'latin1'));
    await settle();
  }

  /** The peer ends its side, and may still read. */
  async endPeer(): Promise<void> {
    this.push(null);
    await settle();
  }

  /** The peer reads nothing from now on, or again. */
  async setReading(isReading: boolean): Promise<void> {
    this.#isReading = isReading;
    const callback = this.#heldCallback;
    if (isReading && callback !== undefined) {
      this.#heldCallback = undefined;
      callback();
    }
    await settle();
  }

  /** Whatever is written from now on fails, as after the peer's end. */
  leave(): void {
    this.#isGone = true;
  }

  /** The lines that were sent since the last call. */
  takeLines(): readonly string[] {
    const lines = this.sent.split('\r\n').slice(0, -1);
    this.sent = '';
    return lines;
  }
}

/** Lets streams, promises and turns of the scheduler run until nothing is left to do. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    await turn();
  }
}
