import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withSmallReads } from '../../../src/sys/accepted-socket.js';
import { atEnd } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const PIECE = 4096;
const SENT = Buffer.alloc(300_000, 'abcdefghijk');
const SETTLED_MS = 100;

/** The two ends of a connection, the first read in small pieces. */
async function makePair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const path = join(await makeTempDir(t, 'cvu-'), 's');
  const server = createServer({ allowHalfOpen: true });
  atEnd(t, () => {
    server.close();
  });
  const ours = new Promise<Socket>((resolve) => {
    server.on('connection', (accepted) => {
      resolve(withSmallReads(accepted, PIECE));
    });
  });
  server.listen(path);
  const theirs = connect(path);
  const socket = await ours;
  atEnd(t, () => {
    socket.destroy();
    theirs.destroy();
  });
  return [socket, theirs];
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    assert.ok(chunk.length <= PIECE);
    chunks.push(chunk);
  });
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

describe('withSmallReads', () => {
  it('leaves with the kernel what nobody has a use for yet', async (t) => {
    const [ours, theirs] = await makePair(t);
    ours.on('readable', () => undefined);
    theirs.write(SENT);
    await once(ours, 'readable');
    await sleep(SETTLED_MS);
    assert.equal(ours.readableLength, PIECE);
    assert.equal(ours.bytesRead, PIECE);
    const piece: unknown = ours.read(PIECE);
    assert.ok(piece instanceof Buffer && piece.equals(SENT.subarray(0, PIECE)));
    await once(ours, 'readable');
    assert.ok(ours.bytesRead <= 2 * PIECE);
  });

  it('reads all of it in the end, while others are read with the same buffer', async (t) => {
    const pairs = [await makePair(t), await makePair(t), await makePair(t)];
    const texts = pairs.map((_, at) => Buffer.alloc(SENT.length + at, `${at}-text `));
    pairs.forEach(([, theirs], at) => theirs.end(texts[at] ?? SENT));
    const got = await Promise.all(pairs.map(([ours]) => readAll(ours)));
    got.forEach((bytes, at) => {
      assert.ok(bytes.equals(texts[at] ?? SENT));
    });
  });

  it('answers a peer that has ended its side, and closes with it', async (t) => {
    const [ours, theirs] = await makePair(t);
    theirs.end('question');
    assert.equal((await readAll(ours)).toString(), 'question');
    ours.end('answer');
    assert.equal((await readAll(theirs)).toString(), 'answer');
    if (!ours.closed) {
      await once(ours, 'close');
    }
  });

  it('gives back a socket that is closed already', () => {
    const closed = connect('/nowhere/at/all');
    closed.on('error', () => undefined);
    closed.destroy();
    assert.equal(withSmallReads(closed, PIECE), closed);
  });
});
