// What `clavigerd policy test` tells: the daemon's own decision, what only the key could say aside.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  formatRequestReport,
  reportOfLine,
  type PolicyTrial,
  type RequestReport,
} from '../../../../src/cli/policy/report.js';
import { jwkOfKey } from '../../../../src/jose/public-jwk.js';
import { parseNamedPolicy } from '../../../../src/policy/named-policy.js';
import { makeKey } from '../../../support/keys/keys.js';
import { formatSigningInput } from '../../../support/requests/signing-request.js';

const jwk = jwkOfKey(makeKey('ES256').publicKey);
const otherJwk = jwkOfKey(makeKey('ES384').publicKey);
const named = parseNamedPolicy(
  'web',
  {
    operations: ['new-order', 'read', 'find-account'],
    identifiers: ['**.example.org'],
    budgets: ['5 new-order per 1h per identifier', '50 new-order per 1d', '9 read per 1d'],
  },
  ({ key, problem }) => assert.fail(`${key}: ${problem}`),
);
const TRIAL: PolicyTrial = {
  context: { keyId: undefined, allowHttpOnLoopback: false, named, now: Date.now },
  jwk: undefined,
  scope: { account: 'default', policy: 'web', listener: 'S' },
};
const KID = 'https://ca.example/acct/1';
const URL = 'https://ca.example/x';

function order(...names: readonly string[]): Parameters<typeof formatSigningInput>[0] {
  const identifiers = names.map((value) => ({ type: 'dns', value }));
  return { alg: 'ES256', kid: KID, url: URL, payload: { identifiers } };
}

function reportOf(request: Parameters<typeof formatSigningInput>[0], trial = TRIAL): RequestReport {
  const report = reportOfLine(1, Buffer.from(formatSigningInput(request)), trial);
  assert.ok(report !== undefined);
  return report;
}

describe('report of a request', () => {
  it('tells what is allowed, and each budget as often as it is counted', () => {
    assert.deepEqual(reportOf(order('a.example.org', 'b.example.org')), {
      line: 1,
      operation: 'new-order',
      identifiers: ['dns:a.example.org', 'dns:b.example.org'],
      verdict: 'allowed',
      rule: 'web',
      budgets: [
        '5 new-order per 1h per identifier',
        '5 new-order per 1h per identifier',
        '50 new-order per 1d',
      ],
    });
  });

  it('tells what is denied, and that counts against nothing', () => {
    const report = reportOf(order('a.example.net'));
    assert.equal(report.verdict, 'denied');
    assert.equal(report.rule, 'web.identifiers');
    assert.match(report.reason ?? '', /^policy 'web' does not allow new-order for a\.example\.net/);
    assert.deepEqual(report.budgets, []);
  });

  it('tells what is no request', () => {
    const report = reportOfLine(7, Buffer.from('e30.'), TRIAL);
    assert.equal(report?.verdict, 'malformed');
    assert.equal(report.line, 7);
    assert.equal(reportOfLine(8, Buffer.from(''), TRIAL), undefined);
  });

  it('takes every key and algorithm while the key is not known', () => {
    const alg = 'RS256';
    assert.equal(reportOf({ alg, kid: KID, url: URL }).verdict, 'allowed');
    const payload = { onlyReturnExisting: true };
    const find = { alg: 'ES384', jwk: { ...otherJwk }, url: URL, payload };
    assert.equal(reportOf(find).verdict, 'allowed');
    assert.equal(reportOf({ ...find, alg }).rule, 'algorithm');
    assert.equal(reportOf({ ...find, alg: 'ES256', jwk: { kty: 'EC' } }).rule, 'own-key');
  });

  it('takes no algorithm that no account key has', () => {
    const report = reportOf({ alg: 'HS256', kid: KID, url: URL });
    assert.deepEqual(
      [report.verdict, report.rule, report.reason],
      ['denied', 'algorithm', 'alg is no algorithm of an account key'],
    );
  });

  it('takes the key alone that is known', () => {
    const trial = { ...TRIAL, jwk };
    const find = { alg: 'ES256', jwk: { ...jwk }, url: URL, payload: { onlyReturnExisting: true } };
    assert.equal(reportOf(find, trial).verdict, 'allowed');
    assert.equal(reportOf({ ...find, jwk: { ...otherJwk } }, trial).rule, 'own-key');
    assert.equal(reportOf({ ...find, alg: 'ES384' }, trial).rule, 'algorithm');
    assert.equal(reportOf({ alg: 'RS256', kid: KID, url: URL }, trial).reason, 'alg is not ES256');
  });

  it('holds to the mode beside the policy', () => {
    const trial = { ...TRIAL, context: { ...TRIAL.context, keyId: KID } };
    assert.equal(reportOf(order('a.example.org'), trial).verdict, 'allowed');
    assert.equal(
      reportOf({ ...order('a.example.org'), kid: `${KID}1` }, trial).rule,
      'key-id-only',
    );
  });

  it('needs no policy', () => {
    const trial = { ...TRIAL, context: { ...TRIAL.context, named: undefined } };
    const report = reportOf(order('a.example.net'), trial);
    assert.deepEqual([report.verdict, report.budgets], ['allowed', []]);
  });
});

describe('report of a request, for people', () => {
  it('is one sentence', () => {
    assert.equal(
      formatRequestReport(reportOf(order('a.example.org', 'b.example.org'))),
      'line 1: new-order dns:a.example.org dns:b.example.org: allowed by web; ' +
        'counts against "5 new-order per 1h per identifier" (2 times), "50 new-order per 1d"',
    );
    assert.equal(
      formatRequestReport(reportOf(order('a.example.net'))),
      'line 1: new-order dns:a.example.net: denied by web.identifiers: ' +
        "policy 'web' does not allow new-order for a.example.net",
    );
    const report = reportOfLine(2, Buffer.from('x'), TRIAL);
    assert.ok(report !== undefined);
    assert.match(formatRequestReport(report), /^line 2: malformed: /);
  });

  it('escapes what a client wrote', () => {
    const text = formatRequestReport(reportOf(order('\u001b[2J\n')));
    assert.match(text, /^[ -~]*$/);
  });
});
