// The touch that a key of the virtual card requires: how long a signature waits for it. Part of the
// virtual card.

/** Undefined: the touch never comes. */
type TouchDelay = number | undefined;

export class Touch {
  /** For each signature to come. */
  delayMs: TouchDelay = 0;
  #end: ((touched: boolean) => void) | undefined;

  /** Waits for a touch; false when the wait was ended without one. */
  wait(): Promise<boolean> {
    const { delayMs } = this;
    if (delayMs === 0) {
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const timer =
        delayMs === undefined
          ? undefined
          : setTimeout(() => {
              this.#end?.(true);
            }, delayMs);
      this.#end = (touched) => {
        clearTimeout(timer);
        this.#end = undefined;
        resolve(touched);
      };
    });
  }

  /** Gives up waiting, as a card does after a while, and when it is pulled out. */
  giveUp(): void {
    this.#end?.(false);
  }
}
