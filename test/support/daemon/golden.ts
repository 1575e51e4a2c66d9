// Golden protocol transcripts: what a client sends and what it must get, in test/golden/*.txt. Used
// by the test of the pure session and by the test of the live daemon, which run the same files.
//
//   # comment                     keyid: URL                  runs with that key ID
//   C: HEADER . PAYLOAD           a request; both are JSON, `raw:text` is taken as it is, no payload is empty
//   C= text                       that line as it is          C! "text"  those bytes, no CR LF added
//   S: signature                  a signature over the request in its place
//   S: text   S~ regex            that line                   !eof   the client ends its side
//   !closed                       the daemon closes; without it, it must not
//   $ALG $OTHERALG $JWK           the key's algorithm, another one, the key's JWK

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { algorithmOfKey } from '../../../src/jose/algorithms.js';
import { formatPublicJwk, jwkOfKey } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import type { KeyObject } from 'node:crypto';

const GOLDEN_FOLDER = join(import.meta.dirname, '../../../../test/golden');

type Expectation =
  | { readonly kind: 'signature' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'pattern'; readonly pattern: RegExp };

export interface Transcript {
  readonly name: string;
  readonly keyId: string | undefined;
  /** All bytes the client sends, and where in them it ends its side. */
  readonly sent: Buffer;
  readonly endsInput: boolean;
  /** Every line that gets a reply, in order. */
  readonly requests: readonly Buffer[];
  readonly expected: readonly Expectation[];
  readonly closes: boolean;
}

/** All transcripts, with the placeholders filled in for one key. */
export function readTranscripts(publicKey: KeyObject): Transcript[] {
  const names = readdirSync(GOLDEN_FOLDER).filter((name) => name.endsWith('.txt'));
  assert.ok(names.length >= 40, 'the transcripts are there');
  return names.map((name) => parseTranscript(name, publicKey));
}

function parseTranscript(name: string, publicKey: KeyObject): Transcript {
  const algorithm = algorithmOfKey(publicKey);
  const text = readFileSync(join(GOLDEN_FOLDER, name), 'utf8')
    .replaceAll('$ALG', algorithm)
    .replaceAll('$OTHERALG', algorithm === 'RS256' ? 'ES256' : 'RS256')
    .replaceAll('$JWK', formatPublicJwk(jwkOfKey(publicKey)));
  const sent: Buffer[] = [];
  const expected: Expectation[] = [];
  const requests: Buffer[] = [];
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const rest = line.slice(3);
    switch (line.slice(0, 3)) {
      case 'C: ': {
        const request = formatRequest(rest);
        requests.push(request);
        sent.push(request, Buffer.from('\r\n'));
        break;
      }
      case 'C= ':
        sent.push(Buffer.from(`${rest}\r\n`));
        if (rest !== '!errors' || sent.length > 1) {
          requests.push(Buffer.from(rest));
        }
        break;
      case 'C! ':
        sent.push(Buffer.from(String(JSON.parse(rest)), 'latin1'));
        break;
      case 'S: ':
        expected.push(rest === 'signature' ? { kind: 'signature' } : { kind: 'text', text: rest });
        break;
      case 'S~ ':
        expected.push({ kind: 'pattern', pattern: new RegExp(rest) });
        break;
      default:
        assert.ok(/^(!eof|!closed|keyid: .*)$/.test(line), `${name}: ${line}`);
    }
  }
  return {
    name,
    keyId: lines.find((line) => line.startsWith('keyid: '))?.slice('keyid: '.length),
    sent: Buffer.concat(sent),
    endsInput: lines.includes('!eof'),
    requests,
    expected,
    closes: lines.includes('!closed'),
  };
}

function formatRequest(text: string): Buffer {
  const at = text.indexOf(' .');
  const header = text.slice(0, at);
  const payload = text.slice(at + 2).trim();
  const encoded = payload.startsWith('raw:')
    ? payload.slice('raw:'.length)
    : Buffer.from(payload).toString('base64url');
  return Buffer.from(`${Buffer.from(header).toString('base64url')}.${encoded}`);
}

/** Compares what the daemon said after its greeting with the transcript. */
export function assertReplies(
  transcript: Transcript,
  publicKey: KeyObject,
  output: string,
  how: string,
): void {
  const where = `${transcript.name}, ${how}`;
  assert.ok(output === '' || output.endsWith('\r\n'), `${where}: whole lines only`);
  const lines = output === '' ? [] : output.slice(0, -2).split('\r\n');
  assert.equal(lines.length, transcript.expected.length, `${where}: ${JSON.stringify(lines)}`);
  for (const [at, line] of lines.entries()) {
    const expectation = transcript.expected[at];
    switch (expectation?.kind) {
      case 'signature':
        assertSignature(line, transcript.requests[at], publicKey, where);
        break;
      case 'text':
        assert.equal(line, expectation.text, where);
        break;
      case 'pattern':
        assert.match(line, expectation.pattern, where);
        break;
      case undefined:
        assert.fail(where);
    }
  }
}

/** The n-th reply is to the n-th request. */
function assertSignature(
  line: string,
  request: Buffer | undefined,
  publicKey: KeyObject,
  where: string,
): void {
  const signature = Buffer.from(line, 'base64url');
  assert.equal(signature.toString('base64url'), line, `${where}: base64url`);
  assert.ok(
    request !== undefined &&
      verifySignature(algorithmOfKey(publicKey), publicKey, request, signature),
    `${where}: the signature is over the request`,
  );
}

/** Ways to cut the sent bytes: whole, byte by byte, and in two at every offset. */
export function* chunkings(sent: Buffer): Generator<[string, Buffer[]]> {
  yield ['whole', [sent]];
  yield ['byte by byte', [...sent].map((byte) => Buffer.of(byte))];
  for (let at = 1; at < sent.length; at += 1) {
    yield [`split at ${at}`, [sent.subarray(0, at), sent.subarray(at)]];
  }
}
