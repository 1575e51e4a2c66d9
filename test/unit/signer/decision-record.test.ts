import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AuditLog } from '../../../src/audit/audit-log.js';
import { parseSigningInput } from '../../../src/jose/signing-input.js';
import { AppError } from '../../../src/lib/errors.js';
import { denied } from '../../../src/policy/verdict.js';
import { DecisionRecord, type DecidedRequest } from '../../../src/signer/decision-record.js';
import { Log } from '../../../src/sys/log.js';
import { readRecords } from '../../support/audit-chain.js';
import { formatSigningInput } from '../../support/signing-request.js';
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
  decision: { verdict: denied(RULE.rule, RULE.reason), request: undefined, budgets: [] },
};

describe('DecisionRecord', () => {
  it('has the hash of what was to be signed in every record of a request that was understood', async (t) => {
    const folder = await makeTempDir(t);
    mkdirSync(join(folder, 'log'), { mode: 0o700 });
    const path = join(folder, 'log', 'audit.jsonl');
    const clock = { now: () => 1.8e12 };
    const headPath = join(folder, 'state', 'head');
    const onTrouble = (): void => undefined;
    const audit = AuditLog.open({
      ...{ path, headPath, clock, onTrouble },
      isDurable: false,
      version: '1',
    });
    const writeStderr = (): boolean => true;
    const log = new Log({
      ...{ clock, writeStderr },
      program: 'p',
      journal: false,
      quiet: false,
      debug: false,
    });
    const scope = { account: 'default', listener: 'S', policy: 'web' };
    const record = new DecisionRecord(log, audit, scope);
    await record.signed(REQUEST, { queueMs: 1, tokenMs: 2 });
    await record.denied(REQUEST, RULE);
    await record.rateLimited(REQUEST, RULE);
    await record.failed(REQUEST, new AppError('TOKEN_TIMEOUT', 'token: no answer'));
    await record.failed(REQUEST, new AppError('KEY_CANCELLED', 'the client is gone'));
    await record.malformed('1', 'not a request', undefined);
    await audit.close();
    assert.deepEqual(
      readRecords(path)
        .filter(({ event }) => event === 'decision')
        .map(({ verdict, sha256 }) => [verdict, sha256]),
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
});
