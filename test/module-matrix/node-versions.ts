// `npm run test:node-versions`: the matrix of modules under other versions of Node, which bring another OpenSSL
// than the modules were linked with. They come from npm's own package `node`, into a folder that is removed after.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runCommand } from '../support/process.js';
import { ROOT } from '../support/programs.js';

const VERSIONS = ['22', '24'];
const INSTALL_TIMEOUT_MS = 300_000;
const RUN_TIMEOUT_MS = 600_000;
const TESTS = join(ROOT, 'dist', 'test', 'integration');

async function main(wanted: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cvnode-'));
  let failed = 0;
  try {
    for (const version of wanted.length === 0 ? VERSIONS : wanted) {
      const node = await installNode(join(folder, version), version);
      failed += (await runMatrix(node)) ? 0 : 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return failed === 0 ? 0 : 1;
}

async function installNode(folder: string, version: string): Promise<string> {
  await mustRun('mkdir', ['-p', folder]);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const install = ['install', '--no-audit', '--no-fund', '--no-save', `node@${version}`];
  await mustRun('npm', install, { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS });
  return join(folder, 'node_modules', 'node', 'bin', 'node');
}

/** Token helpers run on the same Node as the test does. */
async function runMatrix(node: string): Promise<boolean> {
  const about = '`Node ${process.version}, OpenSSL ${process.versions.openssl}`';
  process.stdout.write(`${(await mustRun(node, ['-p', about])).trim()}\n`);
  const files = readdirSync(TESTS).filter((name) => /^module-.*\.test\.js$/.test(name));
  const args = ['--test', '--test-reporter=spec', ...files.map((name) => join(TESTS, name))];
  const result = await runCommand(node, args, { timeoutMs: RUN_TIMEOUT_MS });
  process.stdout.write(result.stdout + result.stderr);
  return result.code === 0;
}

process.exitCode = await main(process.argv.slice(2));
