// What publishes http-01 answers, whichever way it does. Client.

/** Where answers are published; closed at the end, whatever happened. */
export interface AnswerPublisher {
  /** @param token checked by the caller to be base64url of bounded length */
  publish(token: string, keyAuthorization: string): Promise<void>;
  /**
   * Removes the answer of an earlier run, where it is ours and the same. Absent where none can be
   * left.
   */
  takeBack?(token: string, keyAuthorization: string): Promise<void>;
  /** Takes everything published back. Safe to call twice. */
  close(): Promise<void>;
}
