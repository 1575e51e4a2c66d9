// A PIN or passphrase that cannot be printed by accident. Pure; runs in every process. It holds
// bytes that can be wiped; only `use` gives access to them, for the time of one call.

import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/** A secret: prints as `[redacted]` everywhere, and can be wiped. */
export class Secret {
  readonly #bytes: Buffer;

  /** @param bytes owned by the secret from now on: the caller must not keep or change them */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, 'utf8'));
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Calls `read` with the bytes, which it must not keep. */
  use<T>(read: (bytes: Buffer) => T): T {
    return read(this.#bytes);
  }

  /**
   * Overwrites the bytes. Strings that were made of them cannot be wiped in JavaScript.
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
