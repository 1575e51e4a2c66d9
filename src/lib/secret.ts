// A PIN or passphrase that cannot be printed by accident. Pure.
// Holds bytes it can wipe; `use` is the one way to read them, for the time of one call.

import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/** A secret: prints as `[redacted]` everywhere, and can be wiped. */
export class Secret {
  readonly #bytes: Buffer;

  /** Takes the buffer over: the caller must not keep or change it. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, 'utf8'));
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Gives the bytes to `read`, which must not keep them. */
  use<T>(read: (bytes: Buffer) => T): T {
    return read(this.#bytes);
  }

  /**
   * Overwrites the bytes. Strings made of them meanwhile are out of reach: JavaScript cannot wipe
   * those.
   */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
