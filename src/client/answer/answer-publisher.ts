// The two ways to publish http-01 answers as one interface. Runs in claviger.

/** Publishes answers. Whoever opens one closes it, in any case. */
export interface AnswerPublisher {
  /** @param token checked by the caller to be base64url of bounded length */
  publish(token: string, keyAuthorization: string): Promise<void>;
  /**
   * Removes the answer that an earlier run has left, if it is ours and the same. Absent where no
   * answer outlives a run.
   */
  takeBack?(token: string, keyAuthorization: string): Promise<void>;
  /** Removes everything that was published. Safe to call twice. */
  close(): Promise<void>;
}
