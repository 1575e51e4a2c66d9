// What was sent to the signer and has no reply yet, in order: the signer replies in the order of
// the requests. Pure; runs in claviger.

export interface PendingReply {
  /** What is to be signed, `protected.payload`; undefined for a ping. */
  readonly input: string | undefined;
  resolve(signature: string): void;
  reject(error: unknown): void;
}

export class PendingReplies {
  readonly #pending: PendingReply[] = [];

  get count(): number {
    return this.#pending.length;
  }

  addRequest(input: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ input, resolve, reject });
    });
  }

  /** The reply to a ping has no content, and its failure is the failure of the next request. */
  addPing(): void {
    const ignore = (): void => undefined;
    this.#pending.push({ input: undefined, resolve: ignore, reject: ignore });
  }

  /** The one that the next reply is for; undefined where none is awaited. */
  take(): PendingReply | undefined {
    return this.#pending.shift();
  }

  rejectAll(error: unknown): void {
    for (const reply of this.#pending.splice(0)) {
      reply.reject(error);
    }
  }
}
