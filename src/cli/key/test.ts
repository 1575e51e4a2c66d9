// `clavigerd key test`: signs many times with a key, verifies each signature, and prints how long
// they took. For a new token or one that may be faulty. A process of its own, run by a person;
// while a daemon uses the token, the two take turns.

import { randomBytes } from 'node:crypto';
import { InvalidArgumentError, type Command } from 'commander';
import { openAccountKey } from '../../keys/open-account-key.js';
import { isPkcs11Uri } from '../../keys/pkcs11/uri.js';
import type { AccountKey } from '../../keys/account-key.js';
import { AppError } from '../../lib/errors.js';
import { verifySignature } from '../../jose/signature.js';
import { formatLatencies, reportOfLatencies, type LatencyReport } from './latency.js';
import { keyContext, printReport, uriOfKey, withKeyOptions, type KeyOptions } from './options.js';
import { tracker } from './progress.js';
import { printable } from '../../lib/printable.js';

interface TestOptions extends KeyOptions {
  readonly count: number;
}

interface TestReport {
  readonly uri: string;
  readonly algorithm: string;
  readonly signatures: number;
  /** Signatures that did not verify; any is a fault of the token. */
  readonly wrong: number;
  readonly latency: LatencyReport;
}

const DEFAULT_COUNT = 100;
const MAX_COUNT = 100_000;
/** About the length of the signing input of an ACME request. */
const INPUT_BYTES = 400;

export function addTest(key: Command): void {
  withKeyOptions(key.command('test'))
    .description('sign many times, verify each signature, and show how long they took')
    .argument('<key>', 'pkcs11: URI, or file:PATH')
    .option('--count <n>', 'how many signatures', parseCount, DEFAULT_COUNT)
    .action(async (text: string, options: TestOptions) => {
      await test(text, options);
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,6}$/.test(text) || count < 1 || count > MAX_COUNT) {
    throw new InvalidArgumentError(`It is a number from 1 to ${MAX_COUNT}.`);
  }
  return count;
}

async function test(text: string, options: TestOptions): Promise<void> {
  if (isPkcs11Uri(text)) {
    uriOfKey(text, options);
  }
  const key = await openAccountKey(text, keyContext(options));
  try {
    const report = await measure(key, options.count);
    printReport(options, report, formatTest);
    if (report.wrong > 0) {
      throw new AppError('KEY_BAD_SIGNATURE', `key: ${report.wrong} signatures are wrong`, {
        hint: 'the token or its module is faulty, or the public key is not of this private key',
      });
    }
  } finally {
    await key.close();
  }
}

async function measure(key: AccountKey, count: number): Promise<TestReport> {
  const times: number[] = [];
  let wrong = 0;
  const track = tracker(`signing ${count} times`, () => `${times.length} done, `);
  await track(async () => {
    while (times.length < count) {
      const input = randomBytes(INPUT_BYTES);
      const start = performance.now();
      const signature = (await key.sign(input)).bytes;
      times.push(performance.now() - start);
      wrong += verifySignature(key.algorithm, key.publicKey, input, signature) ? 0 : 1;
    }
  });
  const { algorithm, description } = key;
  return {
    uri: description,
    algorithm,
    signatures: count,
    wrong,
    latency: reportOfLatencies(times),
  };
}

function formatTest(report: TestReport): string {
  return [
    `key:         ${printable(report.uri, 4096)}\n`,
    `algorithm:   ${report.algorithm}\n`,
    `signatures:  ${report.signatures}, each verified: ${report.wrong === 0 ? 'all right' : `${report.wrong} WRONG`}\n`,
    formatLatencies(report.latency),
  ].join('');
}
