import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import type { AccountKey, KeySignature } from '../../../src/keys/account-key.js';
import { ERROR_CODES, type ErrorCode } from '../../../src/lib/error-codes.js';
import { AppError } from '../../../src/lib/errors.js';
import { REFUSAL_CODES } from '../../../src/protocol/refusal.js';
import { refusalOf } from '../../../src/daemon/refusal-of-error.js';
import { BudgetGate } from '../../../src/daemon/budget-gate.js';
import { DecisionRecord, type DecidedRequest } from '../../../src/daemon/decision-record.js';
import { SigningService, type SigningOutcome } from '../../../src/daemon/signing-service.js';
import type { Refusal } from '../../../src/protocol/refusal.js';
import { Log } from '../../../src/sys/log.js';
import { BudgetLedger } from '../../../src/budgets/ledger.js';
import { systemClock } from '../../../src/lib/clock.js';
import { parseNamedPolicy, type NamedPolicy } from '../../../src/policy/named-policy.js';
import type { PolicySettings } from '../../../src/policy/policy-settings.js';
import { suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { clientOf } from '../../support/daemon/clients.js';
import { accountKeyOf, makeKey, signatureOf } from '../../support/keys/keys.js';
import { formatSigningInput } from '../../support/requests/signing-request.js';

const scope = suiteScope();
const key = makeKey('ES256');
const LINE = Buffer.from(
  formatSigningInput({ alg: 'ES256', kid: 'https://ca.example/a/1', url: 'https://ca.example/o' }),
);

interface PolicyChange {
  readonly named?: NamedPolicy;
  readonly ledger?: BudgetLedger;
  readonly now?: () => number;
  /** Called with each write of the log. */
  readonly onWrite?: (text: string) => void;
  /** False while the log takes no more. */
  readonly isWritable?: () => boolean;
}

/** How many signatures each write has a record of. */
function signedIn(writes: readonly string[]): string {
  return writes
    .map((text) => text.split('p: signed ').length - 1)
    .filter((count) => count > 0)
    .join(' ');
}

function newService(
  change: Partial<AccountKey>,
  policy: PolicyChange = {},
): { service: SigningService; log: () => string } {
  const decisionScope = { ...SCOPE, policy: policy.named?.name };
  let stderr = '';
  const log = new Log({
    program: 'p',
    clock: { now: () => 0 },
    writeStderr: (line) => {
      stderr += line;
      policy.onWrite?.(line);
      return policy.isWritable?.() ?? true;
    },
    priorities: false,
    quiet: false,
    debug: policy.onWrite === undefined, // a debug line has what waits written first
  });
  const service = new SigningService({
    key: { ...accountKeyOf(key), ...change },
    policy: {
      algorithm: 'ES256',
      jwk: jwkOfKey(key.publicKey),
      keyId: undefined,
      allowHttpOnLoopback: false,
      named: policy.named,
      now: policy.now ?? Date.now,
    },
    record: new DecisionRecord(log, undefined, decisionScope),
    budgets: new BudgetGate(policy.ledger, decisionScope),
  });
  return { service, log: () => stderr };
}

function admit(service: SigningService): DecidedRequest {
  const admission = service.admit(LINE, '1');
  assert.equal(admission.kind, 'approved');
  return admission.request;
}

const PEER = { client: clientOf('1') };
const SCOPE = { account: 'default', listener: 'main', policy: undefined };

const REFUSED_BY_BUDGET = { code: 'rate-limited', policy: 'web', rule: 'web.budgets' };

function newPolicy(settings: PolicySettings): NamedPolicy {
  return parseNamedPolicy('web', settings, ({ key, problem }) => assert.fail(`${key}: ${problem}`));
}

function refusalIn(outcome: SigningOutcome): Promise<Refusal> {
  assert.ok(outcome.kind === 'refused', outcome.kind);
  return outcome.reply;
}

describe('SigningService', () => {
  const other = accountKeyOf(makeKey('ES256'));
  for (const [name, sign] of [
    ['of another key', (input: Buffer) => other.sign(input)],
    ['over other bytes', () => accountKeyOf(key).sign(Buffer.from('other'))],
    ['of a wrong length', () => Promise.resolve(signatureOf(Buffer.alloc(70, 1)))],
    ['of nothing', () => Promise.resolve(signatureOf(Buffer.alloc(0)))],
  ] as const) {
    it(`never lets a signature ${name} out`, async () => {
      const { service, log } = newService({ sign });
      const outcome = await service.sign(admit(service), PEER);
      assert.equal((await refusalIn(outcome)).code, 'internal');
      assert.match(log(), /failed conn=1 op=read .* code=KEY_BAD_SIGNATURE/);
      assert.doesNotMatch(log(), /signed/);
    });
  }

  it('rejects a signature that does not verify, and no other', async () => {
    for (const [isGood, expected] of [
      [false, 1],
      [true, 0],
    ] as const) {
      let rejections = 0;
      const { service } = newService({
        sign: async (input) => {
          const { bytes } = await accountKeyOf(key).sign(input);
          return signatureOf(isGood ? bytes : Buffer.alloc(64, 1), () => {
            rejections += 1;
          });
        },
      });
      await service.sign(admit(service), PEER);
      assert.equal(rejections, expected);
    }
  });

  it('sends no signature before it is recorded, and none that cannot be recorded', async () => {
    let isWritable = true;
    const { service, log } = newService({}, { isWritable: () => isWritable });
    const outcome = await service.sign(admit(service), PEER);
    assert.match(log(), /signed .*sha256=/);
    assert.equal(outcome.kind, 'signature');
    isWritable = false;
    const refused = await service.sign(admit(service), PEER);
    assert.equal((await refusalIn(refused)).code, 'internal');
  });

  it('has the key cancel what a client that is gone still waits for', () => {
    const cancelled: string[] = [];
    const { service } = newService({
      cancel: ({ connection }) => {
        cancelled.push(connection);
      },
    });
    service.cancel(PEER.client);
    assert.deepEqual(cancelled, [PEER.client.connection]);
  });

  it('refuses as busy what has no place in the queue, unless there is another reason', async () => {
    const { service, log } = newService({});
    const codeOf = async (line: Buffer): Promise<string> => {
      const admission = service.admit(line, '1', false);
      return admission.kind === 'refused' ? (await admission.reply).code : admission.kind;
    };
    assert.equal(await codeOf(LINE), 'busy');
    assert.match(log(), /code=SIGNER_BUSY/);
    assert.equal(await codeOf(Buffer.from('nonsense')), 'malformed');
    const foreign = formatSigningInput({
      alg: 'RS256',
      kid: 'https://ca.example/a/1',
      url: 'https://ca.example/o',
    });
    assert.equal(await codeOf(Buffer.from(foreign)), 'denied');
    assert.equal(service.admit(LINE, '1').kind, 'approved');
  });

  it('tells the client a word, and the log the reason', async () => {
    const { service, log } = newService({
      sign: () => Promise.reject(new AppError('TOKEN_PIN_LOCKED', 'token "x": PIN is locked')),
    });
    const outcome = await service.sign(admit(service), PEER);
    assert.deepEqual(await refusalIn(outcome), {
      code: 'token-locked',
      detail: 'the PIN of the token is locked',
    });
    assert.match(log(), /code=TOKEN_PIN_LOCKED reason="token \\"x\\": PIN is locked"/);
  });

  it('names the policy that refuses, beside the rule', async () => {
    const { service } = newService({}, { named: newPolicy({ operations: ['new-order'] }) });
    const admission = service.admit(LINE, '1');
    assert.equal(admission.kind, 'refused');
    assert.deepEqual(await admission.reply, {
      code: 'denied',
      detail: "policy 'web' does not allow read",
      policy: 'web',
      rule: 'web.operations',
      operation: 'read',
    });
  });

  it('names the policy whose budget is used up', async (t) => {
    const directory = await makeTempDir(scope);
    const ledger = BudgetLedger.open({ directory, clock: systemClock, monotonicNow: Date.now });
    t.after(() => ledger.close());
    const named = newPolicy({ operations: ['read'], budgets: ['1 read per 1d'] });
    const { service } = newService({}, { named, ledger });
    assert.equal((await service.sign(admit(service), PEER)).kind, 'signature');
    const { code, policy, rule } = await refusalIn(await service.sign(admit(service), PEER));
    assert.deepEqual({ code, policy, rule }, REFUSED_BY_BUDGET);
  });

  it('survives a key that throws what is no error', async () => {
    const { service } = newService({ sign: () => Promise.reject(new TypeError('bug')) });
    const outcome = await service.sign(admit(service), PEER);
    assert.equal((await refusalIn(outcome)).code, 'internal');
  });

  it('records how long a request waited for the key, and how long the key took', async () => {
    const { service, log } = newService({
      sign: async (input) => {
        await sleep(5);
        const signed = await accountKeyOf(key).sign(input);
        const beganAt = performance.now();
        await sleep(5);
        return { ...signed, beganAt };
      },
    });
    const before = performance.now();
    await service.sign(admit(service), PEER);
    const passedMs = performance.now() - before;
    const [, queueMs, tokenMs] = /queue-ms=(\S+) token-ms=(\S+)/.exec(log()) ?? [];
    assert.ok(Number(queueMs) > 0 && Number(tokenMs) > 0);
    assert.ok(Number(queueMs) + Number(tokenMs) <= passedMs + 0.02);
  });

  it('records a lone signature at once, and those of others in one write', async () => {
    const writes: string[] = [];
    const { bytes } = await accountKeyOf(key).sign(LINE);
    const sign = (): Promise<KeySignature> => Promise.resolve(signatureOf(bytes));
    const { service } = newService({ sign }, { onWrite: (text) => writes.push(text) });
    await service.sign(admit(service), PEER);
    assert.equal(signedIn(writes.splice(0)), '1');
    await Promise.all([service.sign(admit(service), PEER), service.sign(admit(service), PEER)]);
    assert.equal(signedIn(writes), '2');
  });

  it('signs nothing for a client that left while its budget was charged', async (t) => {
    const directory = await makeTempDir(t);
    const ledger = BudgetLedger.open({ directory, clock: systemClock, monotonicNow: Date.now });
    t.after(() => ledger.close());
    const named = newPolicy({ operations: ['read'], budgets: ['9 read per 1d'] });
    const sign = (): never => assert.fail('the key is not asked');
    const { service, log } = newService({ sign }, { named, ledger });
    await service.sign(admit(service), { ...PEER, isGone: () => true });
    assert.match(log(), /cancelled conn=1 op=read/);
  });

  it('answers an internal error alone where the verdict failed, and records why', async () => {
    const now = (): number => {
      throw new Error('no clock');
    };
    const { service, log } = newService({}, { named: newPolicy({ operations: ['read'] }), now });
    const admission = service.admit(LINE, '1');
    assert.equal(admission.kind, 'refused');
    assert.deepEqual(await admission.reply, {
      code: 'internal',
      detail: 'the signer could not decide on the request',
    });
    assert.match(log(), /failed conn=1 op=read .*reason="no clock"/);
  });

  it('records bytes that are no line, by what is wrong with them', () => {
    const { service, log } = newService({});
    service.refuseLine('line-too-long', '1');
    service.refuseLine('bare-line-ending', '2');
    service.refuseLine('control-character', '3');
    assert.match(log(), /conn=1 .*reason="line: longer than 32768 bytes"/);
  });

  it('does not keep the line it was given', async () => {
    const { service } = newService({});
    const line = Buffer.from(LINE);
    const admission = service.admit(line, '1');
    line.fill(0);
    assert.equal(admission.kind, 'approved');
    assert.equal((await service.sign(admission.request, PEER)).kind, 'signature');
  });
});

describe('refusalOf', () => {
  it('has a word of the protocol for every error, and no text of it', () => {
    const codes: readonly ErrorCode[] = Object.values(ERROR_CODES).flat();
    for (const code of codes) {
      const refusal = refusalOf(new AppError(code, 'inner reason'));
      assert.ok(REFUSAL_CODES.includes(refusal.code));
      assert.doesNotMatch(refusal.detail, /inner reason/);
    }
  });

  for (const [code, word] of [
    ['TOKEN_ABSENT', 'token-absent'],
    ['TOKEN_NOT_FOUND', 'token-absent'],
    ['TOKEN_PIN_INCORRECT', 'token-locked'],
    ['TOKEN_PIN_LOCKED', 'token-locked'],
    ['TOKEN_TIMEOUT', 'timeout'],
    ['TOKEN_HELPER', 'internal'],
    ['SIGNER_BUSY', 'busy'],
    ['SYS_FILE', 'internal'],
  ] as const) {
    it(`tells ${code} as ${word}`, () => {
      assert.equal(refusalOf(new AppError(code, 'x')).code, word);
    });
  }
});
