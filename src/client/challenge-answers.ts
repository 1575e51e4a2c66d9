// How http-01 answers get to where the CA asks for them. Runs in the client's master.

import type { ChallengeConfig } from '../config/claviger-certificate.js';
import { openHttp01Server } from './http01-server.js';
import { openWebroot } from './webroot.js';

/** Where answers are published; closed at the end, whatever happened. */
export interface ChallengeAnswers {
  /** @param token checked by the caller to be base64url of bounded length */
  publish(token: string, keyAuthorization: string): Promise<void>;
  /** Removes the answer of an earlier run, where it is ours and the same. Absent where none can be left. */
  takeBack?(token: string, keyAuthorization: string): Promise<void>;
  /** Takes everything published back. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Opens a server of our own, or the folder of one that runs already.
 * @throws AppError CLIENT_CHALLENGE
 */
export function openChallengeAnswers(config: ChallengeConfig): Promise<ChallengeAnswers> {
  return config.kind === 'listen'
    ? openHttp01Server(config.address)
    : openWebroot(config.directory);
}
