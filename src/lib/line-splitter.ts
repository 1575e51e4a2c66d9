// Splits bytes into CR LF lines, with a limit. Pure; clavigerd uses it on the bytes of clients,
// claviger on those of the signer. It never repairs: a lone LF or CR, a NUL or an over-long line is
// a permanent error. It stores bytes, not lines: a line is cut when the caller takes it, so that
// many short lines do not become many objects.

const CR = 0x0d;
const LF = 0x0a;
const NONE = -1;
const EMPTY = Buffer.alloc(0);
const LINE_ENDING_BYTES = 2;

export type LineError = 'line-too-long' | 'bare-line-ending' | 'control-character';

type Cut =
  /** @prop line shares memory with the pushed chunk: copy it to keep it */
  | { readonly line: Buffer; readonly error?: undefined }
  | { readonly line?: undefined; readonly error: LineError };

/** Splits a byte stream into lines ended by CR LF, without the ending. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  /**
   * Not cut yet are the bytes from `#start` to `#end`; those before `#scanned` have been looked at.
   */
  #bytes: Buffer = EMPTY;
  #start = 0;
  #end = 0;
  #scanned = 0;
  /** True when `#bytes` was allocated here, and may be written to. */
  #isOwn = true;
  /** Where the line that begins at `#start` has its LF, once that was found. */
  #lineFeed = NONE;
  #error: LineError | undefined;

  /** @param maxLineBytes most bytes a line may have, its CR LF not counted. */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes that are not cut yet. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /**
   * Bytes that `next` would cut, the line ending counted, 0 for an error; undefined while there is
   * no whole line.
   */
  get nextBytes(): number | undefined {
    this.#scan();
    if (this.#error !== undefined) {
      return 0;
    }
    return this.#lineFeed === NONE ? undefined : this.#lineFeed + 1 - this.#start;
  }

  /** Takes bytes in. After an error the splitter stays broken, and takes none. */
  push(chunk: Uint8Array): void {
    if (this.#error !== undefined) {
      return;
    }
    if (this.pendingBytes === 0) {
      this.#replace(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), false);
      return;
    }
    if (!this.#isOwn || this.#end + chunk.length > this.#bytes.length) {
      this.#move(chunk.length);
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next line, or the error, which then stays; undefined while there is no whole line. */
  next(): Cut | undefined {
    const bytes = this.nextBytes;
    if (this.#error !== undefined) {
      this.#replace(EMPTY, true);
      return { error: this.#error };
    }
    if (bytes === undefined) {
      return undefined;
    }
    const line = this.#bytes.subarray(this.#start, this.#start + bytes - LINE_ENDING_BYTES);
    this.#start += bytes;
    this.#scanned = this.#start;
    this.#lineFeed = NONE;
    return { line };
  }

  /** Looks at what has not been looked at, up to the end of the line. */
  #scan(): void {
    if (this.#lineFeed !== NONE || this.#error !== undefined) {
      return;
    }
    const fresh = this.#bytes.subarray(this.#scanned, this.#end);
    const lineFeed = fresh.indexOf(LF);
    const carriageReturn = fresh.indexOf(CR);
    // The LF after a CR that came last is still on the way.
    const expected = lineFeed === NONE ? fresh.length - 1 : lineFeed - 1;
    const isEnding = carriageReturn !== NONE && carriageReturn === expected;
    const body = isEnding || lineFeed !== NONE ? fresh.subarray(0, Math.max(expected, 0)) : fresh;
    this.#error = this.#check(body, {
      isBare: lineFeed === NONE ? carriageReturn !== NONE && !isEnding : !isEnding,
      isWhole: lineFeed !== NONE,
    });
    if (lineFeed !== NONE) {
      this.#lineFeed = this.#scanned + lineFeed;
    }
    this.#scanned = isEnding ? this.#scanned + carriageReturn : this.#end;
    if (this.#lineFeed === NONE && !this.#isOwn) {
      this.#leaveChunk();
    }
  }

  #check(
    body: Buffer,
    { isBare, isWhole }: { readonly isBare: boolean; readonly isWhole: boolean },
  ): LineError | undefined {
    if (isBare && isWhole) {
      return 'bare-line-ending';
    }
    if (this.#scanned - this.#start + body.length > this.#maxLineBytes) {
      return 'line-too-long';
    }
    if (isBare) {
      return 'bare-line-ending';
    }
    return body.includes(0) ? 'control-character' : undefined;
  }

  /**
   * Copies an unfinished line out of its chunk: it may stay for long, and would keep the chunk.
   */
  #leaveChunk(): void {
    if (this.pendingBytes === 0) {
      this.#replace(EMPTY, true);
    } else {
      this.#move(0);
    }
  }

  /**
   * To memory with room for so many bytes more. Up to the size of a line it doubles, so that bytes
   * that drip in are not copied each time.
   */
  #move(room: number): void {
    const { pendingBytes } = this;
    const size = Math.min(2 * pendingBytes, this.#maxLineBytes + LINE_ENDING_BYTES);
    const bytes = Buffer.allocUnsafeSlow(Math.max(pendingBytes + room, size));
    bytes.set(this.#bytes.subarray(this.#start, this.#end));
    const scanned = this.#scanned - this.#start;
    const lineFeed = this.#lineFeed === NONE ? NONE : this.#lineFeed - this.#start;
    this.#replace(bytes, true);
    this.#end = pendingBytes;
    this.#scanned = scanned;
    this.#lineFeed = lineFeed;
  }

  #replace(bytes: Buffer, isOwn: boolean): void {
    this.#bytes = bytes;
    this.#isOwn = isOwn;
    this.#start = 0;
    this.#end = bytes.length;
    this.#scanned = 0;
    this.#lineFeed = NONE;
  }
}
