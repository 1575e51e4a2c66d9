// The `clavigerd policy` commands: try a policy on requests, and describe what it permits. A
// process of its own, which reads the daemon's configuration. It opens no key, spends no budget and
// writes no file. Requests are not trusted; their text is escaped.

import type { Command } from 'commander';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { explainPolicy } from '../../policy/explain-policy.js';
import { loadDaemonConfig } from '../daemon/config.js';
import { EXIT_FAILURE, EXIT_OK } from '../terminal/failure.js';
import { readJwkFile, readLines } from './input.js';
import { formatRequestReport, reportOfLine, type RequestReport } from './report.js';
import { placeOfTrial, placesOfPolicy, type PolicyPlace } from './policy-location.js';
import { printLines } from '../terminal/standard-output.js';

interface TestOptions {
  readonly config?: string;
  readonly policy?: string;
  readonly account?: string;
  readonly listener?: string;
  readonly jwk?: string;
  readonly json?: boolean;
}

interface ExplainOptions {
  readonly config?: string;
  readonly account?: string;
}

/** A policy may list many names. */
const MAX_SENTENCE_CHARACTERS = 1024 * 1024;

type SetExitCode = (code: number) => void;

const TEST_HELP = `
Requests come a line each: BASE64URL(protected) "." BASE64URL(payload), or decoded,
  {"protected":{"alg":...,"kid":...,"nonce":...,"url":...},"payload":{...}}
with null for the empty payload of a POST-as-GET. Nothing is filled in, and no budget is spent or looked at.

Not checked without --jwk: that alg and jwk are those of the account's key. The exit status is 0 when all
requests are allowed.
`;

/** Adds `policy test` and `policy explain` to the program. */
export function addPolicyCommands(program: Command, setExitCode: SetExitCode): void {
  const policy = program.command('policy').description('try a policy, and read what it permits');
  withConfig(policy.command('test'))
    .description('print for requests whether they would be signed, and why not')
    .argument('[file]', 'requests (default: standard input)')
    .option('--policy <name>', 'the policy (default: that of the listener or account)')
    .option('--account <name>', 'the account whose key ID and policy hold')
    .option('--listener <name>', 'the listener the requests come to')
    .option(
      '--jwk <file>',
      "the account's public key as a JWK, of which `clavigerd key show` has a line",
    )
    .option('--json', 'print a JSON object a line')
    .addHelpText('after', TEST_HELP)
    .action(async (file: string | undefined, _options: TestOptions, command: Command) => {
      setExitCode(await test(file, command.optsWithGlobals()));
    });
  withConfig(policy.command('explain'))
    .description('print in sentences what policies permit')
    .argument('[name...]', 'policies (default: all)')
    .option('--account <name>', 'for this account (default: for each that uses the policy)')
    .action((names: readonly string[], _options: ExplainOptions, command: Command) => {
      explain(names, command.optsWithGlobals());
    });
}

function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration file of the daemon');
}

async function test(file: string | undefined, options: TestOptions): Promise<number> {
  const { config, policies } = loadDaemonConfig({ config: options.config }, undefined);
  const { account, listener, policy } = placeOfTrial({ config, policies }, options);
  const trial = {
    context: {
      keyId: account.keyId,
      allowHttpOnLoopback: config.allowHttpOnLoopback,
      named: policy,
      now: Date.now,
    },
    jwk: options.jwk === undefined ? undefined : readJwkFile(options.jwk),
    scope: { account: account.name, policy: policy?.name ?? '', listener: listener ?? '' },
  };
  const format = options.json === true ? toJson : formatRequestReport;
  const counts = { requests: 0, refused: 0 };
  for await (const lines of readLines(file)) {
    const reports = lines
      .map(({ number, bytes }) => reportOfLine(number, bytes, trial))
      .filter((report) => report !== undefined);
    counts.requests += reports.length;
    counts.refused += reports.filter(({ verdict }) => verdict !== 'allowed').length;
    printLines(reports.map(format));
  }
  if (counts.requests === 0) {
    throw new AppError('JOSE_SIGNING_INPUT', 'requests: there is none', {
      hint: 'clavigerd policy test --help shows what a request looks like',
    });
  }
  return counts.refused === 0 ? EXIT_OK : EXIT_FAILURE;
}

function toJson(report: RequestReport): string {
  return JSON.stringify(report);
}

function explain(names: readonly string[], options: ExplainOptions): void {
  const loaded = loadDaemonConfig({ config: options.config }, undefined);
  const all = names.length === 0 ? [...loaded.policies.keys()] : names;
  const places = all.flatMap((name) => placesOfPolicy(loaded, name, options.account));
  const texts = places.map((place) => [headingOf(place), ...sentencesOf(place)].join('\n'));
  const text = places.length === 0 ? 'the configuration has no policy' : texts.join('\n\n');
  printLines([text]);
}

function headingOf({ policy, account, listeners }: PolicyPlace): string {
  const where =
    listeners.length === 0 ? 'used by no listener' : `listeners: ${listeners.join(', ')}`;
  return `policy ${policy.name}, account ${account.name} (${where})`;
}

function sentencesOf({ policy, account }: PolicyPlace): readonly string[] {
  const sentences = explainPolicy(policy, { keyId: account.keyId, account: account.name });
  return sentences.map((sentence) => `  ${printable(sentence, MAX_SENTENCE_CHARACTERS)}`);
}
