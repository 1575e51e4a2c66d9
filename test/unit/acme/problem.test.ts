import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import type { HttpResponse } from '../../../src/acme/transport/http.js';
import { orderSchema } from '../../../src/acme/objects.js';
import {
  formatProblem,
  isProblem,
  parseProblem,
  ServerProblem,
} from '../../../src/acme/problem.js';

function answer(body: unknown): HttpResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 400, headers: new Map(), links: [], body: Buffer.from(text) };
}

describe('a problem document', () => {
  it('is shown with its type and detail', () => {
    const problem = parseProblem(
      answer({ type: 'urn:ietf:params:acme:error:malformed', detail: 'no such thing' }),
    );
    assert.equal(formatProblem(problem), 'malformed: no such thing');
  });

  it('is shown with each subproblem and its identifier', () => {
    const problem = parseProblem(
      answer({
        type: 'urn:ietf:params:acme:error:compound',
        detail: 'two names',
        subproblems: [
          {
            type: 'urn:ietf:params:acme:error:rejectedIdentifier',
            detail: 'on the list',
            identifier: { type: 'dns', value: 'a.example' },
          },
          { type: 'https://ca.example/errors/odd', detail: 'odd' },
        ],
      }),
    );
    assert.deepEqual(formatProblem(problem).split('\n'), [
      'compound: two names',
      '  a.example: rejectedIdentifier: on the list',
      '  https://ca.example/errors/odd: odd',
    ]);
  });

  it('cannot forge lines or reach the terminal', () => {
    const problem = parseProblem(answer({ detail: 'a\nclaviger: all well\u001b[2J\u202e' }));
    const text = formatProblem(problem);
    assert.equal(/[\p{Cc}\p{Cf}]/u.test(text), false);
  });

  it('is cut when it is long', () => {
    assert.ok(formatProblem(parseProblem(answer({ detail: 'x'.repeat(100_000) }))).length < 1100);
  });

  for (const body of ['', 'Bad gateway', '[]', '42', 'null', { type: 7, detail: {} }]) {
    it(`that is none leaves the HTTP status: ${JSON.stringify(body)}`, () => {
      assert.equal(formatProblem(parseProblem(answer(body)), 502), 'HTTP status 502');
    });
  }

  it('keeps its readable members when others are nonsense', () => {
    const nulls = { type: null, detail: 'no', identifier: null };
    const partly = parseProblem(answer({ detail: 'why', subproblems: [nulls] }));
    assert.equal(formatProblem(partly), 'why\n  no');
    const order = v.parse(orderSchema, { status: 'invalid', error: 'for no reason' });
    assert.deepEqual([order.status, order.error], ['invalid', undefined]);
    const problem = parseProblem(answer({ detail: 'why', subproblems: 'many', algorithms: 3 }));
    assert.equal(formatProblem(problem), 'why');
  });
});

describe('ServerProblem', () => {
  it('is found by the name of its ACME error', () => {
    const problem = parseProblem(answer({ type: 'urn:ietf:params:acme:error:badNonce' }));
    const error = new ServerProblem('new order', { problem, status: 400 });
    assert.equal(isProblem(error, 'badNonce'), true);
    assert.equal(isProblem(error, 'malformed'), false);
    assert.equal(isProblem(new Error('badNonce'), 'badNonce'), false);
  });

  it('tells which algorithms the server takes', () => {
    const problem = parseProblem(
      answer({
        type: 'urn:ietf:params:acme:error:badSignatureAlgorithm',
        algorithms: ['RS256', 'ES256'],
      }),
    );
    assert.match(new ServerProblem('account', { problem, status: 400 }).hint ?? '', /RS256, ES256/);
  });
});
