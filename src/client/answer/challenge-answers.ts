// How http-01 answers get to where the CA asks for them. Runs in the client's master.

import type { ChallengeConfig } from '../../config/client/certificate.js';
import type { AnswerPublisher } from './answer-publisher.js';
import { openHttp01Server } from './http01-server.js';
import { openWebroot } from './webroot.js';

/**
 * Opens a server of our own, or the folder of one that runs already.
 * @throws AppError CLIENT_CHALLENGE
 */
export function openChallengeAnswers(config: ChallengeConfig): Promise<AnswerPublisher> {
  return config.kind === 'listen'
    ? openHttp01Server(config.address)
    : openWebroot(config.directory);
}
