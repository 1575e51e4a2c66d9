// The requests of a helper as typed calls: what is sent, and which replies are not believed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HelperClient } from '../../../../src/keys/helper/helper-client.js';
import type { GoodResult } from '../../../../src/keys/helper/pending-requests.js';
import { Secret } from '../../../../src/lib/secret.js';
import type { HelperRequest, KeyInfo } from '../../../../src/token/messages.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { KEY, TOKEN } from '../../../support/keys/fake-token.js';

interface Bed {
  readonly client: HelperClient;
  readonly sent: { readonly request: HelperRequest; readonly timeoutMs: number }[];
  readonly ends: (number | string | undefined)[];
}

/** A process that gives these replies, one after another. */
function newBed(...replies: (GoodResult | Error)[]): Bed {
  const sent: Bed['sent'] = [];
  const ends: Bed['ends'] = [];
  const process = {
    pid: 42,
    request: (request: HelperRequest, timeoutMs: number, onBegin?: () => void) => {
      sent.push({ request, timeoutMs });
      onBegin?.();
      const reply = replies.shift() ?? { kind: 'done' as const };
      return reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply);
    },
    close: (graceMs?: number) => {
      ends.push(graceMs);
      return Promise.resolve();
    },
    kill: () => {
      ends.push('killed');
    },
  };
  return { client: new HelperClient(process, 1234), sent, ends };
}

describe('HelperClient', () => {
  it('sends each request with its time, and returns what the reply holds', async () => {
    const { client, sent } = newBed(
      { kind: 'done' },
      { kind: 'done' },
      { kind: 'tokens', tokens: [TOKEN] },
      { kind: 'token', token: TOKEN },
      { kind: 'token', token: TOKEN },
      { kind: 'key', key: KEY },
      { kind: 'key', key: KEY },
    );
    await client.load({ path: '/lib/x.so', quirks: { readWriteSessions: true } });
    await client.reinitialise();
    assert.deepEqual(await client.listTokens(), [TOKEN]);
    assert.equal(await client.openToken({ label: 'acme' }, 'read'), TOKEN);
    assert.equal(await client.openToken({ label: 'acme' }, 'write'), TOKEN);
    assert.equal(await client.selectKey({ id: '01' }), KEY);
    assert.equal(await client.generateKey({ type: 'p256', label: 'k', id: '01' }, 60_000), KEY);
    assert.deepEqual(
      sent.map(({ request }) => request),
      [
        { op: 'load', module: '/lib/x.so', quirks: { readWriteSessions: true } },
        { op: 'reinitialise' },
        { op: 'list-tokens' },
        { op: 'open', token: { label: 'acme' }, readWrite: false },
        { op: 'open', token: { label: 'acme' }, readWrite: true },
        { op: 'select-key', key: { id: '01' } },
        { op: 'generate', type: 'p256', label: 'k', id: '01' },
      ],
    );
    const times = sent.map(({ timeoutMs }) => timeoutMs);
    assert.deepEqual(times, [1234, 1234, 1234, 1234, 1234, 1234, 60_000]);
    assert.equal(client.pid, 42);
  });

  it('sends the input as it is, and says when the helper begins', async () => {
    const signature = Buffer.from([0, 255, 62, 63]);
    const { client, sent } = newBed({ kind: 'signature', signature: signature.toString('base64') });
    let begun = 0;
    const input = Buffer.from([250, 251, 252, 0]);
    const signed = await client.sign(input, () => {
      begun += 1;
    });
    assert.deepEqual([signed, begun], [signature, 1]);
    assert.deepEqual(sent[0]?.request, { op: 'sign', input: input.toString('base64') });
  });

  it('does not believe a result of another kind', async () => {
    const { client } = newBed({ kind: 'done' });
    const error = await appErrorOf(() => client.sign(Buffer.from('x')), 'TOKEN_HELPER');
    assert.equal(error.message, 'token helper: replied done to sign');
  });

  it('asks for the pages of a list until the last one, and no further than an empty one', async () => {
    const page = (id: string): KeyInfo => ({ ...KEY, id });
    const { client, sent } = newBed(
      { kind: 'keys', keys: [page('01'), page('02')], more: true },
      { kind: 'keys', keys: [page('03')], more: false },
    );
    assert.deepEqual(
      (await client.listKeys()).map(({ id }) => id),
      ['01', '02', '03'],
    );
    assert.deepEqual(
      sent.map(({ request }) => request),
      [
        { op: 'list-keys', offset: 0 },
        { op: 'list-keys', offset: 2 },
      ],
    );
    const endless = newBed({ kind: 'keys', keys: [], more: true });
    assert.deepEqual(await endless.client.listKeys(), []);
  });

  it('logs in with the PIN, after a logout only when asked to', async () => {
    const { client, sent } = newBed();
    await client.login(TOKEN, Secret.fromText('grün'));
    await client.login(TOKEN, Secret.fromText('grün'), true);
    assert.deepEqual(
      sent.map(({ request }) => request),
      [
        { op: 'login', pin: 'grün', again: false },
        { op: 'login', pin: 'grün', again: true },
      ],
    );
  });

  it('sends no PIN to a token that is locked, or has one try left', async () => {
    for (const pinState of ['locked', 'final-try'] as const) {
      const { client, sent } = newBed();
      const token = { ...TOKEN, pinState };
      await appErrorOf(() => client.login(token, Secret.fromText('1')), 'TOKEN_PIN_LOCKED');
      assert.deepEqual(sent, []);
    }
  });

  it('explains a refused PIN, and leaves other failures as they are', async () => {
    const refusal = new TokenError('TOKEN_PIN_INCORRECT', 'token: C_Login: CKR_PIN_INCORRECT', {
      returnValue: 'CKR_PIN_INCORRECT',
    });
    const failure = new TokenError('TOKEN_FAILED', 'token: C_Login: CKR_DEVICE_ERROR');
    const { client } = newBed(refusal, failure);
    const explained = await appErrorOf(
      () => client.login(TOKEN, Secret.fromText('1')),
      'TOKEN_PIN_INCORRECT',
    );
    assert.match(explained.message, /the PIN is wrong/);
    const other = await appErrorOf(() => client.login(TOKEN, Secret.fromText('1')), 'TOKEN_FAILED');
    assert.equal(other, failure);
  });

  it('ends its process: in order, in bounded time, or at once', async () => {
    const { client, ends } = newBed();
    await client.close();
    await client.close(4000);
    await client.kill();
    assert.deepEqual(ends, [undefined, 4000, 'killed', undefined]);
  });
});
