// Opens what publishes the http-01 answers, as configured. Runs in claviger.

import type { ChallengeConfig } from '../../config/client/certificate.js';
import type { AnswerPublisher } from './answer-publisher.js';
import { openHttp01Server } from './http01-server.js';
import { openWebroot } from './webroot.js';

/**
 * Starts a web server of our own, or opens the document root of one that runs already.
 * @throws AppError CLIENT_CHALLENGE
 */
export function openChallengeAnswers(config: ChallengeConfig): Promise<AnswerPublisher> {
  return config.kind === 'listen'
    ? openHttp01Server(config.address)
    : openWebroot(config.directory);
}
