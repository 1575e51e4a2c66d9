// Bytes to CR LF lines, with a limit. Pure; used by the daemon on client bytes and by the client on
// signer bytes. It never repairs: LF alone, CR alone, NUL or an over-long line is an error, for good.

const CR = 0x0d;
const LF = 0x0a;

export type LineError = 'line-too-long' | 'bare-line-ending' | 'control-character';

export type SplitResult =
  | { readonly lines: readonly Buffer[]; readonly error?: undefined }
  | { readonly lines: readonly Buffer[]; readonly error: LineError };

/** Splits a byte stream into lines ended by CR LF, without the ending. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #pending: Buffer = Buffer.alloc(0);
  #error: LineError | undefined;

  /** @param maxLineBytes most bytes a line may have, its CR LF not counted. */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes of a line whose end has not come yet. */
  get pendingBytes(): number {
    return this.#pending.length;
  }

  /** Bytes that came after the last whole line; taking them empties the splitter. */
  takePending(): Buffer {
    const rest = this.#pending;
    this.#pending = Buffer.alloc(0);
    return rest;
  }

  /**
   * Takes bytes in and gives the lines they complete. After an error the splitter stays broken:
   * the complete lines before the error come with it, none after.
   */
  push(chunk: Uint8Array): SplitResult {
    if (this.#error !== undefined) {
      return { lines: [], error: this.#error };
    }
    // One copy: the lines handed out never share memory with what the socket may reuse.
    let rest = Buffer.concat([this.#pending, chunk]);
    const lines: Buffer[] = [];
    for (;;) {
      const end = rest.indexOf(LF);
      const line = end === -1 ? rest : rest.subarray(0, Math.max(end - 1, 0));
      const error = this.#check(rest, end, line);
      if (error !== undefined) {
        this.#error = error;
        this.#pending = Buffer.alloc(0);
        return { lines, error };
      }
      if (end === -1) {
        this.#pending = rest;
        return { lines };
      }
      lines.push(line);
      rest = rest.subarray(end + 1);
    }
  }

  #check(rest: Buffer, end: number, line: Buffer): LineError | undefined {
    const endedByCrLf = end === -1 || (end > 0 && rest[end - 1] === CR);
    if (!endedByCrLf) {
      return 'bare-line-ending';
    }
    // An unfinished line may carry one CR more than the limit: its LF is still on the way.
    const body = end === -1 && line.at(-1) === CR ? line.subarray(0, -1) : line;
    if (body.length > this.#maxLineBytes) {
      return 'line-too-long';
    }
    if (body.includes(CR)) {
      return 'bare-line-ending';
    }
    return body.includes(0) ? 'control-character' : undefined;
  }
}
