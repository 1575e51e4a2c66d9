import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { AuditLog } from '../../../src/audit/audit-log.js';
import type { AuditRecord } from '../../../src/audit/audit-record.js';
import { parseSigningInput } from '../../../src/jose/signing-input.js';
import { AppError } from '../../../src/lib/errors.js';
import { denied } from '../../../src/policy/verdict.js';
import { DecisionRecord, type DecidedRequest } from '../../../src/daemon/decision-record.js';
import { RefusalRegister } from '../../../src/daemon/refusals/register.js';
import { Log } from '../../../src/sys/log.js';
import { readRecords } from '../../support/audit/audit-chain.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';

const LINE = formatSigningInput({
  alg: 'ES256',
  kid: 'https://ca.example/a/1',
  url: 'https://ca.example/o',
});
const SHA256 = createHash('sha256').update(LINE).digest('hex');
const RULE = { rule: 'web.operations', reason: 'no' } as const;
const REQUEST: DecidedRequest = {
  connection: '1',
  input: parseSigningInput(Buffer.from(LINE)),
  decision: {
    verdict: denied(RULE.rule, RULE.reason),
    request: undefined,
    unread: 'payload',
    budgets: [],
  },
};

interface Bed {
  readonly record: DecisionRecord;
  /** Ends the log, and gives the records of decisions. */
  readonly end: () => Promise<readonly AuditRecord[]>;
  /** What the log tells of itself, afterwards. */
  readonly gaps: () => readonly AuditRecord[];
}

async function makeBed(t: TestContext): Promise<Bed> {
  const folder = await makeTempDir(t);
  mkdirSync(join(folder, 'log'), { mode: 0o700 });
  const path = join(folder, 'log', 'audit.jsonl');
  const clock = { now: () => 1.8e12 };
  const headPath = join(folder, 'state', 'head');
  const onTrouble = (): void => undefined;
  const places = { path, headPath, clock, onTrouble };
  const audit = AuditLog.open({ ...places, isDurable: false, version: '1' });
  const writeStderr = (): boolean => true;
  const quiet = { priorities: false, quiet: true, debug: false };
  const log = new Log({ program: 'p', clock, writeStderr, ...quiet });
  const scope = { account: 'default', listener: 'S', policy: 'web' };
  const register = new RefusalRegister(undefined);
  return {
    record: new DecisionRecord(log, audit, scope, register),
    end: async () => {
      register.flush();
      await audit.close();
      return readRecords(path).filter(({ event }) => event === 'decision');
    },
    gaps: () => readRecords(path).filter(({ event }) => event === 'gap'),
  };
}

describe('DecisionRecord', () => {
  it('has the hash of what was to be signed in every record of a request that was understood', async (t) => {
    const { record, end } = await makeBed(t);
    await record.signed(REQUEST, { queueMs: 1, tokenMs: 2, isAlone: true });
    await record.denied(REQUEST, RULE);
    await record.rateLimited(REQUEST, RULE);
    await record.failed(REQUEST, new AppError('TOKEN_TIMEOUT', 'token: no answer'));
    await record.failed(REQUEST, new AppError('KEY_CANCELLED', 'the client is gone'));
    await record.malformed('1', 'not a request', undefined);
    assert.deepEqual(
      (await end()).map(({ verdict, sha256 }) => [verdict, sha256]),
      [
        ['signed', SHA256],
        ['denied', SHA256],
        ['rate-limited', SHA256],
        ['failed', SHA256],
        ['cancelled', SHA256],
        ['malformed', undefined],
      ],
    );
  });

  it('writes little of many failures, and counts all of them', async (t) => {
    const { record, end } = await makeBed(t);
    const errors = [
      new AppError('SIGNER_BUSY', 'too many requests are waiting for the key'),
      new AppError('TOKEN_TIMEOUT', 'token: no answer'),
      new AppError('TOKEN_ABSENT', 'token: not there'),
      new AppError('KEY_CANCELLED', 'the client is gone'),
    ];
    for (let count = 0; count < 5000; count += 1) {
      void record.failed(REQUEST, errors[count % errors.length]);
      void record.rateLimited(REQUEST, RULE);
    }
    const records = await end();
    assert.equal(records.length, 10, 'the first of each kind, and the others');
    assert.equal(
      records.reduce((sum, { count = 1 }) => sum + count, 0),
      10_000,
    );
    assert.ok(JSON.stringify(records).length < 64_000);
  });

  it('says of refusals that are too many to be recorded that they were', async (t) => {
    const { record, end, gaps } = await makeBed(t);
    for (let count = 0; count < 1000; count += 1) {
      void record.denied(REQUEST, { ...RULE, rule: `r${count}` });
    }
    const recorded = (await end()).length;
    const [{ reason } = {}, ...more] = gaps();
    assert.deepEqual(more, []);
    assert.equal(
      reason,
      `${1000 - recorded} records could not be written: 256 of other kinds wait to be written`,
    );
    assert.ok(recorded >= 256);
  });

  it('says of what was signed why its names are not known', async (t) => {
    const { record, end } = await makeBed(t);
    const operation = 'finalize';
    const request = {
      operation,
      identifiers: [],
      payload: undefined,
      problem: 'CSR: not DER',
    } as const;
    const decision = { ...REQUEST.decision, request };
    await record.signed({ ...REQUEST, decision }, { queueMs: 1, tokenMs: 2, isAlone: true });
    const [signed] = await end();
    assert.equal(signed?.identifiers, undefined);
    assert.equal(signed?.reason, 'for names that are not known: CSR: not DER');
  });

  it('has operation, URL, names and scope, and of a refusal the rule', async (t) => {
    const { record, end } = await makeBed(t);
    await record.denied(withNames(['a.example', 'b.example']), RULE);
    const [first] = await end();
    const { verdict, account, listener, policy, connection, operation, url, unread, code } =
      first ?? {};
    assert.deepEqual(
      { verdict, account, listener, policy, connection, operation, url, unread, code },
      {
        ...{ verdict: 'denied', account: 'default', listener: 'S', policy: 'web' },
        ...{ connection: '1', operation: 'new-order', url: 'https://ca.example/o' },
        ...{ unread: 'payload', code: 'denied' },
      },
    );
    assert.deepEqual(first?.identifiers, ['dns:a.example', 'dns:b.example']);
    assert.equal(first.rule, RULE.rule);
    assert.equal(first.reason, RULE.reason);
  });

  it('has 50 names of a refused request and the number of the others, cut where they are long', async (t) => {
    const { record, end } = await makeBed(t);
    const names = Array.from({ length: 52 }, (_, at) => `n${at}.example`);
    await record.denied(withNames(names), { ...RULE, rule: 'many' });
    await record.denied(withNames(names.slice(0, 50)), { ...RULE, rule: 'fifty' });
    await record.denied(withNames(['x'.repeat(400), 'y'.repeat(296)]), { ...RULE, rule: 'long' });
    const [many, fifty, long] = await end();
    assert.equal(many?.identifiers?.length, 51);
    assert.equal(many.identifiers[0], 'dns:n0.example');
    assert.equal(many.identifiers[50], '...2 more');
    assert.equal(fifty?.identifiers?.length, 50);
    assert.deepEqual(long?.identifiers, [`dns:${'x'.repeat(296)}...`, `dns:${'y'.repeat(296)}`]);
  });

  it('has all of what is signed, uncut', async (t) => {
    const { record, end } = await makeBed(t);
    const names = Array.from({ length: 60 }, (_, at) => `${'n'.repeat(300)}${at}`);
    const url = `https://ca.example/${'p'.repeat(2000)}`;
    const request = withNames(names, url);
    await record.signed(request, { queueMs: 1.5, tokenMs: 2.25, isAlone: true });
    await record.denied(request, RULE);
    const [signed, refused] = await end();
    assert.deepEqual(
      signed?.identifiers,
      names.map((name) => `dns:${name}`),
    );
    assert.equal(signed.url, url);
    assert.equal(signed['queue-ms'], 1.5);
    assert.equal(signed['token-ms'], 2.25);
    assert.equal(refused?.url, `${url.slice(0, 1024)}...`);
  });

  it('encodes what does not occur in names, so that separators stand for themselves', async (t) => {
    const { record, end } = await makeBed(t);
    await record.denied(withNames(['a,b c%\u00fc', '2001:db8::1']), RULE);
    assert.deepEqual((await end())[0]?.identifiers, ['dns:a%2Cb%20c%25%C3%BC', 'dns:2001:db8::1']);
  });

  it('is in the log where there is no audit log, and resolves when it is written', async () => {
    const { log, lines } = newLogLines({ debug: true });
    const record = new DecisionRecord(log, undefined, {
      ...{ account: 'default', listener: 'S', policy: undefined },
    });
    record.assertWritable();
    const approved: DecidedRequest = {
      ...withNames(['a.example', 'b.example']),
      decision: {
        ...withNames(['a.example', 'b.example']).decision,
        verdict: { kind: 'approved', rule: 'web' },
      },
    };
    await record.signed(approved, { queueMs: 1, tokenMs: 2, isAlone: false });
    assert.deepEqual(lines, [
      'times conn=1 rule=web queue-ms=1.00 token-ms=2.00',
      'signed conn=1 op=new-order url=https://ca.example/o names=dns:a.example,dns:b.example ' +
        `duration-ms=3.00 sha256=${SHA256}`,
    ]);
    await record.signed(REQUEST, { queueMs: 0, tokenMs: 0, isAlone: true });
    assert.match(lines.at(-1) ?? '', /^signed conn=1 op=unknown url=\S+ duration-ms=0\.00 sha256=/);
  });

  it('may not be written while the audit log is out of order, and again afterwards', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'audit.jsonl');
    const clock = { now: () => 1.8e12 };
    const audit = AuditLog.open({
      ...{ path, headPath: join(folder, 'state', 'head'), clock, isDurable: false, version: '1' },
      onTrouble: () => undefined,
    });
    const { log } = newLogLines();
    const record = new DecisionRecord(log, audit, {
      ...{ account: 'default', listener: 'S', policy: undefined },
    });
    record.assertWritable();
    rmSync(path);
    const course = { queueMs: 1, tokenMs: 1, isAlone: true };
    await assert.rejects(record.signed(REQUEST, course), { code: 'AUDIT_WRITE' });
    record.assertWritable();
    await record.signed(REQUEST, course);
    await audit.close();
    assert.throws(() => {
      audit.recover();
    });
  });
});

/** A new order for these names. */
function withNames(names: readonly string[], url = REQUEST.input.header.url): DecidedRequest {
  const identifiers = names.map((value) => ({ type: 'dns', value }));
  return {
    ...REQUEST,
    input: { ...REQUEST.input, header: { ...REQUEST.input.header, url } },
    decision: {
      ...REQUEST.decision,
      request: { operation: 'new-order', identifiers, payload: undefined },
    },
  };
}
