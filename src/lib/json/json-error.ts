// The one error of the JSON readers. Pure; every process. Its message names the kind of mistake and
// never repeats the text, which is a peer's.

import { AppError } from '../errors.js';

/** The error that `problem` is why the bytes are not taken as JSON. */
export function invalidJson(problem: string): AppError {
  return new AppError('LIB_JSON', `json: ${problem}`);
}
