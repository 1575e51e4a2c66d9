// `npm run test:node-versions`: the matrix of modules under other versions of Node, which bring
// another OpenSSL than the modules were linked with.

import { installNode } from '../support/node-versions.js';
import { mustRun, runCommand } from '../support/process.js';
import { moduleTests } from './module-tests.js';

const VERSIONS = ['22', '24'];
const RUN_TIMEOUT_MS = 600_000;

async function main(wanted: readonly string[]): Promise<number> {
  let failed = 0;
  for (const version of wanted.length === 0 ? VERSIONS : wanted) {
    failed += (await runMatrix(await installNode(version))) ? 0 : 1;
  }
  return failed === 0 ? 0 : 1;
}

/** Token helpers run on the same Node as the test does. */
async function runMatrix(node: string): Promise<boolean> {
  const about = '`Node ${process.version}, OpenSSL ${process.versions.openssl}`';
  process.stdout.write(`${(await mustRun(node, ['-p', about])).trim()}\n`);
  const args = ['--test', '--test-reporter=spec', ...moduleTests()];
  const result = await runCommand(node, args, { timeoutMs: RUN_TIMEOUT_MS });
  process.stdout.write(result.stdout + result.stderr);
  return result.code === 0;
}

process.exitCode = await main(process.argv.slice(2));
