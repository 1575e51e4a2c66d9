import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import type { HttpResponse } from '../../../src/acme/transport/http.js';
import { orderSchema } from '../../../src/acme/objects.js';
import {
  challengeHintFor,
  DEACTIVATED_HINT,
  formatProblem,
  hintFor,
  isProblem,
  parseProblem,
  problemOf,
  type Problem,
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

function problemWith(type: string, more: object = {}): Problem {
  return parseProblem(answer({ type: `urn:ietf:params:acme:error:${type}`, ...more }));
}

describe('the error of an answer', () => {
  it('has subject, problem, status, and the time to wait', () => {
    const headers = new Map([['retry-after', '7']]);
    const response = { ...answer({ detail: 'no' }), status: 503, headers };
    const error = problemOf('new order', response, 0);
    assert.deepEqual(
      [error.code, error.message, error.status, error.retryAfterMs],
      ['ACME_PROBLEM', 'new order: no', 503, 7_000],
    );
    assert.equal(error.problem.type, 'about:blank');
  });

  it('has the hint of the request where the problem has none', () => {
    const facts = { hint: 'look there' };
    assert.equal(problemOf('x', answer({}), 0, facts).hint, 'look there');
    const limited = answer({ type: 'urn:ietf:params:acme:error:rateLimited' });
    assert.match(problemOf('x', limited, 0, facts).hint ?? '', /^wait/);
  });

  it('is the title where there is no detail, and 100 subproblems at most', () => {
    assert.equal(formatProblem(parseProblem(answer({ title: 'Title' }))), 'Title');
    assert.equal(
      formatProblem(parseProblem(answer({ title: 'Title', detail: '' }))),
      'HTTP status unknown',
    );
    const subproblems = Array.from({ length: 101 }, () => ({ detail: 'x' }));
    const lines = formatProblem(parseProblem(answer({ subproblems }))).split('\n');
    assert.equal(lines.length, 101);
  });

  it('shows a type of another namespace in full', () => {
    assert.equal(formatProblem(parseProblem(answer({ type: 'urn:x:y' }))), 'urn:x:y');
  });
});

describe('hintFor', () => {
  for (const [type, hint] of [
    ['accountDoesNotExist', /claviger account register/],
    ['badSignatureAlgorithm', /the server takes others$/],
    ['caa', /CAA record/],
    ['externalAccountRequired', /external account binding/],
    ['rateLimited', /^wait before trying again/],
    ['userActionRequired', /visit its web site$/],
  ] as const) {
    it(`has one for ${type}`, () => {
      assert.match(hintFor(problemWith(type)) ?? '', hint);
    });
  }

  it('names the page that the authority wants visited', () => {
    const instance = 'https://ca.example/terms';
    assert.match(hintFor(problemWith('userActionRequired', { instance })) ?? '', /ca\.example/);
  });

  it('blames the keyid of a signer whose account is fixed', () => {
    const facts = { hasFixedAccount: true };
    assert.match(hintFor(problemWith('accountDoesNotExist'), facts) ?? '', /correct keyid/);
  });

  it('recognises a deactivated account, and nothing else, in unauthorized', () => {
    const detail = 'account is Deactivated';
    assert.equal(hintFor(problemWith('unauthorized', { detail })), DEACTIVATED_HINT);
    assert.equal(hintFor(problemWith('unauthorized', { detail: 'undeactivated' })), undefined);
    assert.equal(hintFor(problemWith('unauthorized')), undefined);
    assert.equal(hintFor(problemWith('malformed', { detail })), undefined);
    assert.equal(hintFor(parseProblem(answer({ type: 'urn:x:caa' }))), undefined);
  });
});

describe('challengeHintFor', () => {
  for (const [problem, hint] of [
    [problemWith('dns'), /could not resolve the name/],
    [problemWith('connection', { detail: 'DNS problem: NXDOMAIN' }), /could not resolve/],
    [problemWith('malformed', { detail: 'no such host' }), /could not resolve/],
    [problemWith('connection'), /port 80/],
    [problemWith('unauthorized'), /does the name point to this machine/],
    [problemWith('incorrectResponse'), /does the name point to this machine/],
    [problemWith('caa'), /CAA record/],
  ] as const) {
    it(`has one for ${formatProblem(problem)}`, () => {
      assert.match(challengeHintFor(problem) ?? '', hint);
    });
  }

  it('has none for others', () => {
    assert.equal(challengeHintFor(problemWith('tls')), undefined);
  });
});
