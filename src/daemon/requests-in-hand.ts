// What one connection has asked and was not told yet: the place in the queue that its next line
// needs, requests that wait for the key, refusals that wait for their record. Runs in the daemon,
// one for each connection. While a refusal is held back nothing behind it is taken.

import type { Client } from '../keys/account-key.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Outcome } from '../protocol/server-session.js';
import type { PlaceHolder, RequestPlaces } from './request-places.js';
import type { Refused, SigningService } from './signing-service.js';

/** Refusals of any kind after which a connection is closed, though it asked for !errors. */
const MAX_REFUSED_REQUESTS = 64;

export interface RequestsInHandOptions {
  readonly client: Client;
  readonly service: SigningService;
  readonly places: RequestPlaces;
  /** There may be a place for the next line now. */
  readonly onPlace: () => void;
  /** Told whether the next line waits for others' requests to make room. */
  readonly watchPlace: (isWaiting: boolean) => void;
  /** The token takes long. */
  readonly onNotice: () => void;
  readonly onAnswer: (id: number, outcome: Outcome) => void;
  readonly onTooManyRefusals: () => void;
  readonly isGone: () => boolean;
}

export class RequestsInHand {
  readonly #options: RequestsInHandOptions;
  readonly #holder: PlaceHolder;
  /** Bytes of the next line for which a place was taken that nobody uses yet. */
  #unusedPlace: number | undefined;
  #isOverdue = false;
  #refused = 0;
  #heldRefusals = 0;

  constructor(options: RequestsInHandOptions) {
    this.#options = options;
    this.#holder = { requests: 0, bytes: 0, onPlace: options.onPlace };
  }

  /** True while a refusal may not leave yet. */
  get isHeld(): boolean {
    return this.#heldRefusals > 0;
  }

  /**
   * True when the next line, of so many bytes, may be taken: there is a place for it, or it is to
   * be refused.
   */
  takePlace(bytes: number): boolean {
    const { places, watchPlace } = this.#options;
    const isTaken = places.tryTake(this.#holder, bytes);
    if (!isTaken && !this.#isOverdue) {
      // Whoever has requests in the queue goes on when one of them is answered.
      watchPlace(this.#holder.requests === 0);
      return false;
    }
    this.#unusedPlace = isTaken ? bytes : undefined;
    places.leave(this.#holder);
    watchPlace(false);
    return true;
  }

  /** The line was taken, and may have been no request. */
  returnUnusedPlace(): void {
    if (this.#unusedPlace !== undefined) {
      this.#options.places.release(this.#holder, this.#unusedPlace);
      this.#unusedPlace = undefined;
    }
    this.#isOverdue = false;
  }

  /** Waits for no place any more: others may have it. */
  leavePlaces(): void {
    this.#options.places.leave(this.#holder);
  }

  /**
   * It has waited for its place for too long: the next line is taken, and refused if it is a
   * request.
   */
  giveUpPlace(): void {
    this.#isOverdue = true;
  }

  /** Has a line judged, and signed if that may be; the answer comes later. */
  take(id: number, line: Buffer): void {
    const { client, service, places, onNotice, isGone } = this.#options;
    const bytes = this.#unusedPlace;
    const admission = service.admit(line, client.connection, bytes !== undefined);
    if (admission.kind === 'refused') {
      this.#onRefused(id, admission);
      return;
    }
    this.#unusedPlace = undefined;
    const releasePlace = places.releaser(this.#holder, bytes ?? 0);
    // `sign` never rejects: its trouble is an outcome.
    void service.sign(admission.request, { client, onNotice, isGone }).then((outcome) => {
      releasePlace();
      if (outcome.kind === 'refused') {
        this.#onRefused(id, outcome);
      } else {
        this.#options.onAnswer(id, outcome);
      }
    });
  }

  /** What stands behind it is not read before it is told, or the connection closed over it. */
  #onRefused(id: number, { told }: Refused): void {
    this.#heldRefusals += 1;
    void told.then((refusal) => {
      this.#answerRefusal(id, refusal);
    });
  }

  /** Nobody is refused by the dozen in good faith, and each refusal costs a line of the log. */
  #answerRefusal(id: number, refusal: Refusal): void {
    this.#heldRefusals -= 1;
    this.#refused += 1;
    this.#options.onAnswer(id, { kind: 'refusal', refusal });
    if (this.#refused >= MAX_REFUSED_REQUESTS) {
      this.#options.onTooManyRefusals();
    }
  }
}
