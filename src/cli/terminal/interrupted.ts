// A program that was ended by a signal, and its exit code as shells have it: 128 and the signal's
// number. Runs in clavigerd and claviger.

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
