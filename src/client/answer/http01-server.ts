// A web server for http-01, RFC 8555 §8.3, that serves the answers of the current order and nothing
// else. Runs in claviger while an order is under way. Clients are not trusted: a request can only
// select one of a few strings, and slow, large or strange requests are cut off.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { CHALLENGE_PATH } from '../../acme/challenge.js';
import type { ListenAddress } from '../../config/listen-address.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import type { AnswerPublisher } from './answer-publisher.js';

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8 * 1024;
/**
 * CAs validate from several places at once, and strangers may connect too; see boundConnections.
 */
const MAX_CONNECTIONS = 256;

/** @throws AppError CLIENT_CHALLENGE when the address cannot be bound */
export async function openHttp01Server(address: ListenAddress): Promise<AnswerPublisher> {
  const answers = new Map<string, string>();
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAlive: false,
    },
    (request, response) => {
      answerRequest(answers, request, response);
    },
  );
  boundConnections(server);
  server.timeout = REQUEST_TIMEOUT_MS;
  await bind(server, address);
  return {
    publish: (token, keyAuthorization) => {
      answers.set(CHALLENGE_PATH + token, keyAuthorization);
      return Promise.resolve();
    },
    close: () => {
      answers.clear();
      return closeServer(server);
    },
  };
}

/**
 * At the limit the oldest connection is closed, not the new one refused: an authority sends its
 * request at once, while an attacker who wants to keep it out holds connections open.
 */
function boundConnections(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
    });
    const [oldest] = open;
    if (open.size > MAX_CONNECTIONS && oldest !== undefined) {
      open.delete(oldest);
      oldest.destroy();
    }
  });
}

function answerRequest(
  answers: ReadonlyMap<string, string>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', 'text/plain');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    response.statusCode = 405;
    response.end('method not allowed\n');
    return;
  }
  // Only the exact path: no query, no escapes, no other spelling.
  const answer = answers.get(request.url ?? '');
  if (answer === undefined) {
    response.statusCode = 404;
    response.end('not found\n');
    return;
  }
  response.setHeader('Content-Type', 'application/octet-stream'); // RFC 8555 §8.3
  response.setHeader('Content-Length', Buffer.byteLength(answer));
  response.end(request.method === 'HEAD' ? undefined : answer);
}

async function bind(server: Server, { host, port }: ListenAddress): Promise<void> {
  const name = host === undefined ? `port ${port}` : `${host} port ${port}`;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new AppError('CLIENT_CHALLENGE', `cannot listen on ${name}: ${messageOf(error)}`, {
          hint: hintFor(systemCodeOf(error)),
          cause: error,
        }),
      );
    });
    // Without a host Node listens on :: for both families, and on 0.0.0.0 where there is no IPv6.
    server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  });
  // From here on an error concerns one connection, which gets no answer.
  server.on('error', () => undefined);
}

function hintFor(code: string | undefined): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return 'a web server has that port: use --webroot with its document root, or --listen on a port it forwards to';
    case 'EACCES':
      return 'ports below 1024 need root or CAP_NET_BIND_SERVICE: use --listen with another port that port 80 is forwarded to';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address';
    default:
      return undefined;
  }
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
