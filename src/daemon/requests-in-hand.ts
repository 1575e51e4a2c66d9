// The requests of one connection that are not answered yet: those that wait for the key, refusals
// that wait for their record, and the place in the queue that the next line needs. Runs in
// clavigerd, one for each connection. While a refusal waits for its record no further line is
// taken.

import type { Client } from '../keys/account-key.js';
import type { Refusal } from '../protocol/refusal.js';
import type { Outcome } from '../protocol/server-session.js';
import type { PlaceHolder, RequestPlaces } from './request-places.js';
import type { LineService, Refused } from './signing-service.js';

/** Refusals of any kind after which a connection is closed, though it asked for !errors. */
const MAX_REFUSED_REQUESTS = 64;

interface RequestsInHandOptions {
  readonly client: Client;
  readonly service: LineService;
  readonly places: RequestPlaces;
  /** There may be a place for the next line now. */
  readonly onPlace: () => void;
  /** Called with whether the next line waits for a place that requests of others have. */
  readonly watchPlace: (isWaiting: boolean) => void;
  /** Called when the token takes long. */
  readonly onNotice: () => void;
  readonly onAnswer: (id: number, outcome: Outcome) => void;
  readonly onTooManyRefusals: () => void;
  readonly isGone: () => boolean;
}

export class RequestsInHand {
  readonly #options: RequestsInHandOptions;
  readonly #holder: PlaceHolder;
  /** Bytes of the next line, for which a place is taken that no request has yet. */
  #unusedPlace: number | undefined;
  #isOverdue = false;
  #refused = 0;
  #heldRefusals = 0;

  constructor(options: RequestsInHandOptions) {
    this.#options = options;
    this.#holder = { requests: 0, bytes: 0, onPlace: options.onPlace };
  }

  /** True while a refusal waits for its record. */
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
      // A connection with requests in the queue continues when one of them is answered.
      watchPlace(this.#holder.requests === 0);
      return false;
    }
    this.#unusedPlace = isTaken ? bytes : undefined;
    places.leave(this.#holder);
    watchPlace(false);
    return true;
  }

  /** Returns the place of a line that was taken and was no request. */
  returnUnusedPlace(): void {
    if (this.#unusedPlace !== undefined) {
      this.#options.places.release(this.#holder, this.#unusedPlace);
      this.#unusedPlace = undefined;
    }
    this.#isOverdue = false;
  }

  /** Stops waiting for a place: other connections may have it. */
  leavePlaces(): void {
    this.#options.places.leave(this.#holder);
  }

  /** Ends the wait for a place: the next line is taken without one, and refused as busy. */
  giveUpPlace(): void {
    this.#isOverdue = true;
  }

  /** Has a line decided upon, and signed if that is approved; the answer comes later. */
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
    // `sign` never rejects: an error is an outcome.
    void service.sign(admission.request, { client, onNotice, isGone }).then((outcome) => {
      releasePlace();
      if (outcome.kind === 'refused') {
        this.#onRefused(id, outcome);
      } else {
        this.#options.onAnswer(id, outcome);
      }
    });
  }

  /** Until the refusal is sent, or has closed the connection, no further line is taken. */
  #onRefused(id: number, { reply }: Refused): void {
    this.#heldRefusals += 1;
    void reply.then((refusal) => {
      this.#answerRefusal(id, refusal);
    });
  }

  /** No honest client is refused this often, and each refusal costs a line of the log. */
  #answerRefusal(id: number, refusal: Refusal): void {
    this.#heldRefusals -= 1;
    this.#refused += 1;
    this.#options.onAnswer(id, { kind: 'refusal', refusal });
    if (this.#refused >= MAX_REFUSED_REQUESTS) {
      this.#options.onTooManyRefusals();
    }
  }
}
