// The quick start of README.md, typed as it stands: on a machine whose /etc, /var and /run are
// those of a mount namespace, with Pebble in place of Let's Encrypt. Each command prints what the
// page shows, and the files have the modes that it names.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startPebble, type Pebble } from '../../support/client/pebble.js';
import { adapt, readGuide, sameOutput } from '../../support/guide.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { recordSecret } from '../../support/transcript.js';

const BLOCKS = readGuide('README.md').filter(({ heading }) => heading === 'Quick start');
const SCRIPT_TIMEOUT_MS = 120_000;
const STAGING = 'acme-staging-v02.api.letsencrypt.org';
const ACCOUNT = `https://${STAGING}/acme/acct/123456789`;
const FILES = `700 /etc/claviger
600 /etc/claviger/claviger.toml
600 /etc/claviger/clavigerd.toml
600 /etc/claviger/pin
600 /etc/claviger/so-pin
600 /etc/ssl/private/www.key
644 /etc/ssl/certs/www.pem`;

/** $1: a folder for what changes; $2 to $4: node and the two programs; $5: a folder that stays. */
const SCRATCH_MACHINE = `
set -u
mount -t tmpfs none "$1" || exit
for folder in etc var; do
  mkdir "$1/$folder" "$1/$folder-work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$1/$folder,workdir=$1/$folder-work" none "/$folder" || exit
done
mount -t tmpfs -o mode=0755 none /run || exit
mkdir "$1/bin"
printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$2" "$3" > "$1/bin/clavigerd"
printf '#!/bin/sh\\nexec "%s" "%s" "$@"\\n' "$2" "$4" > "$1/bin/claviger"
chmod 0755 "$1/bin/clavigerd" "$1/bin/claviger"
PATH="$1/bin:$PATH"
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
`;

const FINAL_LOOK = `
printf '=== files\\n'
stat -c '%a %n' /etc/claviger /etc/claviger/* /etc/ssl/private/www.key /etc/ssl/certs/www.pem
printf '=== certificate\\n'
cat /etc/ssl/certs/www.pem
cp /etc/claviger/pin /etc/claviger/so-pin "$5"
`;

/** Prints what a daemon in the background prints until it is ready. */
function inBackground(command: string): string {
  return `{ ${command} } >"$1/daemon" 2>&1
for try in {1..200}; do grep -q "^clavigerd: ready" "$1/daemon" && break; sleep 0.1; done
cat "$1/daemon"`;
}

/** What a block does here, with Pebble in place of Let's Encrypt; its output goes to a file. */
function typed(text: string, at: number, pebble: Pebble): string {
  const forPebble = text.includes(`${STAGING}/directory`)
    ? adapt(text, [
        [
          `"https://${STAGING}/directory"`,
          `"${pebble.directoryUrl}"\nserver-ca-file = "${pebble.caFile}"`,
        ],
        ['":80"', `"127.0.0.1:${pebble.httpPort}"`],
      ])
    : text.replace(`'keyid = "${ACCOUNT}"'`, `"keyid = \\"$account\\""`);
  const command = text.endsWith(' &\n') ? inBackground(forPebble) : forPebble;
  return `{ ${command}
} >"$1/output" 2>&1
printf '=== ${at}\\n'; cat "$1/output"
: "\${account:=$(sed -n 's/^account: *//p' "$1/output")}"
`;
}

describe('the quick start of the README', () => {
  it('works as it stands, and prints what it shows', async (t) => {
    const pebble = await startPebble(t);
    const folder = await makeTempDir(t);
    const script = join(folder, 'quick-start.sh');
    const commands = BLOCKS.map(({ language, text }, at) =>
      language === 'sh' ? typed(text, at, pebble) : '',
    );
    await writeFile(script, `${SCRATCH_MACHINE}${commands.join('')}${FINAL_LOOK}`);
    const programs = [process.execPath, CLAVIGERD, CLAVIGER];
    const { stdout, stderr } = await runCommand(
      'unshare',
      ['--mount', 'bash', script, await makeTempDir(t), ...programs, folder],
      {
        env: { STATE_DIRECTORY: undefined, SOFTHSM2_CONF: undefined },
        timeoutMs: SCRIPT_TIMEOUT_MS,
      },
    );
    const sections = new Map(
      [...stdout.matchAll(/^=== (\w+)\n([^]*?)(?=^===|(?![^]))/gm)].map(([, name, text = '']) => [
        name,
        text.trim(),
      ]),
    );
    const printed = (name: string): string => sections.get(name) ?? '';
    assert.equal(printed('files'), FILES, stdout + stderr);
    for (const name of ['pin', 'so-pin']) {
      recordSecret((await readFile(join(folder, name), 'utf8')).trim());
    }
    for (const [at, { language, text }] of BLOCKS.entries()) {
      if (language === 'text') {
        const { host } = new URL(pebble.directoryUrl);
        const shown = text.replace(ACCOUNT, '...').replaceAll(STAGING, host);
        assert.ok(
          sameOutput(printed(String(at - 1)), shown),
          `${printed(String(at - 1))}\n${shown}`,
        );
      }
    }
    const certificate = new X509Certificate(printed('certificate'));
    assert.equal(certificate.subjectAltName, 'DNS:www.example.org');
  });
});
