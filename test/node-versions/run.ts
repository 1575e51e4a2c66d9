// `npm run test:nodes`: all unit and property tests on each version of Node that we support. The
// version that is running has them in the whole suite, so it is left out when it is the latest of
// its kind.

import { installNode } from '../support/node-versions.js';
import { mustRun, runCommand } from '../support/process.js';
import { ROOT } from '../support/programs.js';

const VERSIONS = ['20', '22', '24', '26'];
const RUN_TIMEOUT_MS = 900_000;

async function main(wanted: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const major of wanted.length === 0 ? VERSIONS : wanted) {
    const node = await installNode(major);
    const version = (await mustRun(node, ['--version'])).trim();
    if (wanted.length === 0 && version === process.version) {
      process.stdout.write(`Node ${version}: has the whole suite\n`);
      continue;
    }
    const { code, stdout, stderr } = await runCommand(
      node,
      ['dist/test/run.js', 'unit/', 'property/'],
      { cwd: ROOT, timeoutMs: RUN_TIMEOUT_MS },
    );
    const passed = code === 0;
    process.stdout.write(passed ? '' : stdout + stderr);
    process.stdout.write(`${passed ? '✔' : '✖'} Node ${version}: ${lastLines(stdout)}\n`);
    failed.push(...(passed ? [] : [version]));
  }
  return failed.length === 0 ? 0 : 1;
}

/** `3 checks, 114 test files, 2099 tests in 186 s: 2102 passed, 0 failed` */
function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-2).join(': ');
}

process.exitCode = await main(process.argv.slice(2));
