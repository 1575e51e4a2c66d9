// The end of a program by a signal that asks for one, as the shell tells it: 128 and the number of
// the signal.

import { constants } from 'node:os';
import { AppError } from '../../lib/errors.js';

export type EndingSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

export class Interrupted extends AppError {
  readonly signal: EndingSignal;

  constructor(signal: EndingSignal, message = `interrupted by ${signal}`) {
    super('CLIENT_INTERRUPTED', message);
    this.signal = signal;
  }
}

/** 130 for Ctrl-C. */
export function exitCodeOfSignal(signal: EndingSignal): number {
  return 128 + constants.signals[signal];
}
