// What an administrator gets wrong with clavigerd, and what is then said: the text, the hint and
// the exit status. Hints are obeyed as they are written, so none may do harm.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import { runCommand, type CommandResult } from '../../support/process.js';
import { CLAVIGERD, ROOT } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';

interface Mistake {
  readonly name: string;
  /** Settings; `@` stands for the folder of the test, which has the key `account.pem`. */
  readonly settings?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly code: number;
  readonly error: RegExp;
  readonly hint?: RegExp;
  /** In no message. */
  readonly never?: RegExp;
  /** What --check says too. */
  readonly isChecked?: boolean;
}

const NOBODY = 65_534;
const RAW = /E(?:NOENT|ACCES|NOTDIR)\b|expected never|got undefined/;
const KEY = 'privkey = "file:@/account.pem"\nsocket = "@/S"\n';
const TOKEN = 'pkcs11:token=none;object=x?module-name=softhsm2';

const MISTAKES: readonly Mistake[] = [
  {
    name: 'no configuration file',
    args: [],
    env: { XDG_CONFIG_HOME: '/nonexistent' },
    code: 2,
    error: /^clavigerd: error: there is no configuration file \//m,
    hint: /docs\/examples\/clavigerd\.toml .*--config/,
    never: /privkey: is missing/,
  },
  {
    name: 'no configuration file to verify an audit log with',
    args: ['audit', 'verify'],
    code: 2,
    error: /there is no configuration file \//,
    hint: /--config/,
  },
  {
    name: 'a configuration file that is not there',
    args: ['--config=/nonexistent/c.toml'],
    code: 2,
    error:
      /configuration file: there is no \/nonexistent\/c\.toml \(there is no folder \/nonexistent\)/,
    hint: /correct --config/,
  },
  {
    name: 'a command that there is not',
    args: ['status'],
    code: 2,
    error: /unknown command "status"/,
    hint: /the commands are key, pin, audit, policy, help/,
  },
  {
    name: 'a mistyped command, with options',
    args: ['plicy', 'test', '--json'],
    code: 2,
    error: /unknown command "plicy"/,
    hint: /is policy meant\?/,
  },
  {
    name: 'a socket option that is relative, and a file',
    settings: KEY,
    args: ['--socket=S'],
    code: 2,
    error: /^clavigerd: error: command line: --socket: "S" is not an absolute path$/m,
  },
  {
    name: 'two typos',
    settings: `${KEY}scoket = "/x"\nauditlog = "/y"`,
    code: 2,
    error:
      /toml:3: scoket: unknown setting; is socket meant\?\n.*toml:4: auditlog: .*audit-log meant/,
    isChecked: true,
  },
  {
    name: 'a key that is not there',
    settings: 'privkey = "file:@/none.pem"\nsocket = "@/S"',
    code: 2,
    error: /account key: there is no .*none\.pem/,
    hint: /correct the path/,
    isChecked: true,
  },
  {
    name: 'a key that others can read',
    settings: 'privkey = "file:@/open.pem"\nsocket = "@/S"',
    code: 2,
    error: /open\.pem has mode 0644: others have access/,
    hint: /chmod 0600 .*open\.pem; if others could read it, replace the secret/,
    isChecked: true,
  },
  {
    name: 'a key that is none',
    settings: 'privkey = "file:@/c.toml"\nsocket = "@/S"',
    code: 2,
    error: /not a PEM file/,
    isChecked: true,
  },
  {
    name: 'a PIN file that is not there',
    settings: `privkey = "${TOKEN}"\npin-source = "file:@/pin"\nsocket = "@/S"`,
    args: ['--check'],
    code: 2,
    error: /PIN file: there is no .*\/pin$/m,
    hint: /correct the path/,
  },
  {
    name: 'a PIN file that holds nothing',
    settings: `privkey = "${TOKEN}"\npin-source = "file:@/empty"\nsocket = "@/S"`,
    args: ['--check'],
    code: 2,
    error: /PIN: .*empty is empty/,
  },
  {
    name: 'a PIN in place of its source',
    settings: `privkey = "${TOKEN}"\npin-source = "987654"\nsocket = "@/S"`,
    code: 2,
    error: /pin-source: is a number, and wants the place of the PIN/,
    hint: /pin-source is file:\/PATH/,
    never: /987654/,
    isChecked: true,
  },
  {
    name: 'a module that is not there',
    settings: 'privkey = "pkcs11:object=x?module-path=/nonexistent.so"\nsocket = "@/S"',
    code: 2,
    error: /module: \/nonexistent\.so: there is no such file/,
    isChecked: true,
  },
  {
    name: 'a folder of the log that is not there',
    settings: `${KEY}logfile = "@/none/log"`,
    code: 2,
    error: /log file: there is no .*\/none/,
    hint: /make the folder/,
    isChecked: true,
  },
  {
    name: 'a folder of the audit log that is not there',
    settings: `${KEY}audit-log = "@/none/log"`,
    code: 2,
    error: /there is no .*\/none/,
    hint: /install -d -m 0700 -o \S+ \S+\/none$/m,
    isChecked: true,
  },
  {
    name: 'a socket in the folder of all temporary files',
    settings: 'privkey = "file:@/account.pem"\nsocket = "/tmp/S"',
    code: 2,
    error: /insecure permissions on \/tmp: others can write it/,
    hint: /\/tmp stays as it is: name a folder that is for this alone/,
    never: /chmod/,
    isChecked: true,
  },
  {
    name: 'a PIN on the command line of a key command',
    args: ['key', 'generate', '--init-token', '--token=x', '--module-name=softhsm2'].concat([
      '--so-pin-source=56785678',
    ]),
    code: 2,
    error: /--so-pin-source: is a number/,
    hint: /--so-pin-source is file:\/PATH/,
    never: /56785678/,
  },
  {
    name: 'a specifier in an option that has none',
    args: ['key', 'generate', '--init-token', '--token=x', '--module-name=softhsm2'].concat([
      '--so-pin-source=file:%h/pin',
    ]),
    code: 2,
    error: /--so-pin-source: the path after file: is not absolute/,
  },
];

interface Bed {
  readonly folder: string;
  run(mistake: Mistake, more?: readonly string[]): Promise<CommandResult>;
}

async function makeBed(t: Parameters<typeof makeTempDir>[0]): Promise<Bed> {
  const folder = await makeTempDir(t, 'cvm-');
  const { pem } = makeKey('ES256');
  await writeFile(join(folder, 'account.pem'), pem, { mode: 0o600 });
  await writeFile(join(folder, 'open.pem'), pem, { mode: 0o644 });
  await writeFile(join(folder, 'empty'), '', { mode: 0o600 });
  return {
    folder,
    run: async ({ settings, args = [], env }, more = []) => {
      const config = join(folder, 'c.toml');
      await writeFile(config, (settings ?? '').replaceAll('@', folder), { mode: 0o600 });
      const named = settings === undefined ? [] : [`--config=${config}`];
      return await runClavigerd([...named, ...args, ...more], { env: { ...env } });
    },
  };
}

function assertTold({ code, stdout, stderr }: CommandResult, mistake: Mistake): void {
  assert.equal(code, mistake.code, stderr);
  assert.match(stderr, mistake.error);
  const hints = stderr.split('\n').filter((line) => line.startsWith('clavigerd: hint: '));
  if (mistake.hint !== undefined) {
    assert.match(hints.join('\n'), mistake.hint);
  }
  assert.doesNotMatch(stderr, RAW);
  if (mistake.never !== undefined) {
    assert.doesNotMatch(`${stdout}${stderr}`, mistake.never);
  }
}

describe('a mistake with clavigerd is told so that it can be mended', () => {
  for (const mistake of MISTAKES) {
    it(mistake.name, async (t) => {
      const bed = await makeBed(t);
      assertTold(await bed.run(mistake), mistake);
      if (mistake.isChecked === true) {
        assertTold(await bed.run(mistake, ['--check']), mistake);
      }
    });
  }

  it('a configuration that the user of the service may not read', async (t) => {
    const { folder } = await makeBed(t);
    const inner = join(folder, 'closed');
    await mkdir(inner, { mode: 0o700 });
    await chmod(folder, 0o755);
    await writeFile(join(inner, 'c.toml'), '', { mode: 0o600 });
    const result = await runCommand('setpriv', [
      ...['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, CLAVIGERD],
      `--config=${join(inner, 'c.toml')}`,
    ]);
    assert.equal(result.code, 2, result.stderr);
    assert.match(
      result.stderr,
      /may not be opened by nobody \(user ID 65534\): the folder .*closed is closed/,
    );
    assert.match(
      result.stderr,
      /hint: this runs as nobody \(user ID 65534\): keep the file in a folder/,
    );
  });

  it('a folder that the user of the service may not write in is not to be given away', async (t) => {
    const { folder } = await makeBed(t);
    await chmod(folder, 0o755);
    await chown(join(folder, 'account.pem'), NOBODY, NOBODY);
    const config = join(folder, 'c.toml');
    const paths = `logfile = "${folder}/x.log"\nstate-directory = "${folder}/some/state"\n`;
    await writeFile(config, KEY.replaceAll('@', folder) + paths, { mode: 0o644 });
    for (const more of [[], ['--check']]) {
      const { code, stderr } = await runCommand('setpriv', [
        ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath],
        ...[CLAVIGERD, `--config=${config}`, ...more],
      ]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`nobody .* may not write in the folder ${folder}$`, 'm'));
      assert.match(stderr, new RegExp(`hint: ${folder} stays as it is: name a folder`));
      assert.doesNotMatch(stderr, /give the file/);
    }
  });

  it('a configuration from a pipe', async (t) => {
    const { folder } = await makeBed(t);
    const config = join(folder, 'c.toml');
    await writeFile(config, '', { mode: 0o600 });
    const script = `exec ${process.execPath} ${CLAVIGERD} --config <(cat ${config})`;
    const { code, stderr } = await runCommand('bash', ['-c', script]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /is not a regular file\n.*hint: it must be a file/);
  });

  it('--check looks at everything at once, and says what it could not look at', async (t) => {
    const bed = await makeBed(t);
    const both = {
      ...{ name: '', code: 2, error: /./ },
      settings: `privkey = ["file:@/none.pem", "${TOKEN}"]\npin-source = "credential:pin"\nsocket = "/tmp/S"`,
    };
    const { code, stdout, stderr } = await bed.run(both, ['--check']);
    assert.equal(code, 2);
    assert.match(stderr, /none\.pem[^]*insecure permissions on \/tmp/);
    assert.match(stdout, /^# pin-source: the credential pin is there for the service alone$/m);
  });

  it('the unit does not try again over any of them', async () => {
    const unit = await readFile(join(ROOT, 'systemd/clavigerd.service'), 'utf8');
    assert.match(unit, /^RestartPreventExitStatus=2$/m);
  });
});
