// The golden transcripts, run on the pure session with the real service and a software key.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Algorithm } from '../../src/jose/algorithms.js';
import { ServerSession } from '../../src/protocol/server-session.js';
import { BudgetGate } from '../../src/daemon/budget-gate.js';
import { DecisionRecord } from '../../src/daemon/decision-record.js';
import { SigningService } from '../../src/daemon/signing-service.js';
import { Log } from '../../src/sys/log.js';
import {
  assertReplies,
  chunkings,
  readTranscripts,
  type Transcript,
} from '../support/daemon/golden.js';
import { clientOf } from '../support/daemon/clients.js';
import { accountKeyOf, makeKey } from '../support/keys/keys.js';

const log = new Log({
  program: 'test',
  clock: { now: () => 0 },
  writeStderr: () => true,
  priorities: false,
  quiet: false,
  debug: true,
});

const SCOPE = { account: 'default', listener: 'main', policy: undefined };

for (const algorithm of ['RS256', 'ES256'] as const) {
  describe(`golden transcripts on the session, ${algorithm}`, () => {
    const key = makeKey(algorithm);
    const accountKey = accountKeyOf(key);
    for (const transcript of readTranscripts(key.publicKey)) {
      it(transcript.name, async () => {
        for (const [how, chunks] of cutsFor(algorithm, transcript)) {
          const service = new SigningService({
            key: accountKey,
            policy: {
              algorithm,
              jwk: accountKey.jwk,
              keyId: transcript.keyId,
              allowHttpOnLoopback: false,
              named: undefined,
              now: Date.now,
            },
            record: new DecisionRecord(log, undefined, SCOPE),
            budgets: new BudgetGate(undefined, SCOPE),
          });
          const { output, closed } = await converse(transcript, chunks, service);
          assertReplies(transcript, key.publicKey, output, how);
          assert.equal(closed, transcript.closes, `${transcript.name}, ${how}: closes`);
        }
      });
    }
  });
}

/** How bytes are cut has nothing to do with the key: one algorithm goes through all cuts. */
function cutsFor(algorithm: Algorithm, { sent }: Transcript): [string, Buffer[]][] {
  const all = [...chunkings(sent)];
  return algorithm === 'ES256' ? all : all.slice(0, 2);
}

async function converse(
  transcript: Transcript,
  chunks: readonly Buffer[],
  service: SigningService,
): Promise<{ output: string; closed: boolean }> {
  let output = '';
  let closed = false;
  let held = 0;
  const pending: Promise<void>[] = [];
  const judge = async (id: number, request: Buffer): Promise<void> => {
    const admission = service.admit(request, '1');
    const outcome =
      admission.kind === 'refused'
        ? admission
        : await service.sign(admission.request, { client: clientOf('1') });
    if (outcome.kind === 'refused') {
      held += 1; // as a connection does: what stands behind it waits
      const refusal = await outcome.reply;
      held -= 1;
      session.answer(id, { kind: 'refusal', refusal });
    } else {
      session.answer(id, outcome);
    }
  };
  const session = new ServerSession((event) => {
    switch (event.kind) {
      case 'write':
        output += event.text;
        break;
      case 'close':
        closed = true;
        break;
      case 'request':
        pending.push(judge(event.id, event.line));
        break;
      case 'no-line':
        break; // there is no reply to it
    }
  });
  const takeLines = (): void => {
    while (held === 0 && session.nextLineBytes !== undefined) {
      session.takeLine();
    }
  };
  for (const chunk of chunks) {
    session.receive(chunk);
    takeLines();
  }
  if (transcript.endsInput) {
    session.endInput();
  }
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    await next;
    takeLines(); // an answer may have made room for them
  }
  assert.ok(session.isIdle, 'every request is answered');
  return { output, closed };
}
