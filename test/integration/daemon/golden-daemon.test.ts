// The golden transcripts, run on the live daemon over its socket: whole, byte by byte, and cut in
// two at every offset, many connections at once.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import {
  assertReplies,
  chunkings,
  readTranscripts,
  type Transcript,
} from '../../support/daemon/golden.js';
import { makeKey } from '../../support/keys/keys.js';

const CONVERSATION_MS = 20_000;
/** Apart enough that the daemon reads most chunks one by one; nothing depends on that it does. */
const CHUNK_GAP_MS = 1;
const PARALLEL = 40;

const key = makeKey('ES256');

describe('golden transcripts on the daemon', () => {
  const transcripts = readTranscripts(key.publicKey);
  const keyIds = [...new Set(transcripts.map((transcript) => transcript.keyId))];
  for (const keyId of keyIds) {
    const name = keyId === undefined ? 'without a key ID' : `with the key ID ${keyId}`;
    it(`${name}, the same daemon for all`, { timeout: 160_000 }, async (t) => {
      const settings = keyId === undefined ? '' : `keyid = ${JSON.stringify(keyId)}`;
      const daemon = await startClavigerd(t, { key, settings });
      const runs = transcripts
        .filter((transcript) => transcript.keyId === keyId)
        .flatMap((transcript) => {
          return [...chunkings(transcript.sent)].map(([how, chunks]) => async () => {
            const { output, closed } = await converse(daemon.socket, transcript, chunks);
            assertReplies(transcript, key.publicKey, output, how);
            assert.equal(closed, transcript.closes, `${transcript.name}, ${how}: closes`);
          });
        });
      await runParallel(runs);
      assert.ok(runs.length > 200, 'many ways were tried');
      assert.ok(daemon.process.isRunning);
    });
  }
});

async function runParallel(runs: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = [...runs];
  const worker = async (): Promise<void> => {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
      await run();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/**
 * Holds one conversation; gives what came after the greeting, and whether the daemon closed first.
 */
async function converse(
  path: string,
  transcript: Transcript,
  chunks: readonly Buffer[],
): Promise<{ output: string; closed: boolean }> {
  const socket = connect({ path, allowHalfOpen: true });
  let received = '';
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => {
    ended = true;
  });
  socket.on('end', () => {
    ended = true;
  });
  const hasEnded = (): boolean => ended;
  const linesOf = (): number => received.split('\r\n').length - 1;
  try {
    await until(() => linesOf() >= 2);
    for (const chunk of chunks) {
      socket.write(chunk);
      if (chunks.length > 1) {
        await sleep(CHUNK_GAP_MS);
      }
    }
    if (transcript.endsInput) {
      socket.end();
    }
    const expectedLines = 2 + transcript.expected.length;
    await until(() => hasEnded() || (!transcript.closes && linesOf() >= expectedLines));
    const closed = hasEnded();
    if (!closed) {
      // Nothing may come after what was expected, and our end must be answered by the daemon's.
      socket.end();
      await until(hasEnded);
    }
    return { output: received.split('\r\n').slice(2).join('\r\n'), closed };
  } finally {
    socket.destroy();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + CONVERSATION_MS;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the daemon answered in time');
    await sleep(1);
  }
}
