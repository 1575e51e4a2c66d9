// Account keys that the real gpg decrypts: every kind of message, and each way in which it must not
// end well.

import assert from 'node:assert/strict';
import { type KeyObject } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import { openGpgKey } from '../../../src/keys/software/gpg-key.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import type { AppError } from '../../../src/lib/errors.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  createGnupg,
  gpgCommand,
  GPG_KEY_TYPES,
  type Gnupg,
  type Passphrase,
  waitForEndOf,
} from '../../support/keys/gnupg.js';
import { makeKey } from '../../support/keys/keys.js';
import { suiteScope } from '../../support/scope.js';
import { recordPrivateKey, recordText } from '../../support/transcript.js';
import { makeKeyPair } from '../../support/key-pair.js';

const INPUT = Buffer.from('protected.payload');
const key = makeKey('ES256');

interface Opening {
  readonly gpg: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

describe('gpg key', () => {
  const scope = suiteScope();
  const logged: string[] = [];
  let gnupg: Gnupg;
  let passphrase: Passphrase;
  let user: string;

  before(async () => {
    gnupg = await createGnupg(scope);
    passphrase = gnupg.addPassphrase();
    user = await gnupg.addKey('Curve25519', passphrase);
  });

  function contextOf({ gpg, env, timeoutMs }: Opening): KeyContext {
    return {
      env: { PATH: process.env['PATH'], ...gnupg.env, ...env },
      log: (level, message) => {
        logged.push(message);
        recordText('log', `${level} ${message}`);
      },
      gpg,
      gpgTimeoutMs: timeoutMs ?? 30_000,
    };
  }

  async function assertOpens(path: string, publicKey: KeyObject, opening: Opening): Promise<void> {
    const opened = await openGpgKey(path, contextOf(opening));
    assert.ok(
      verifySignature(opened.algorithm, publicKey, INPUT, (await opened.sign(INPUT)).bytes),
    );
    assert.deepEqual(opened.jwk, jwkOfKey(publicKey));
    assert.equal(opened.description, `gpg:${path}`);
    await opened.close();
  }

  async function assertFails(path: string, opening: Opening, code: ErrorCode): Promise<AppError> {
    const error = await appErrorOf(() => openGpgKey(path, contextOf(opening)), code);
    recordText('error', `${error.message} ${error.hint ?? ''}`);
    return error;
  }

  /** A program in gpg's place. */
  function script(name: string, text: string): string {
    const path = join(gnupg.folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
    return path;
  }

  for (const type of ['Curve25519', 'NIST P-256', 'RSA'] as const) {
    assert.ok(type in GPG_KEY_TYPES);
    it(`opens a message to a ${type} key, binary and armored`, async () => {
      const own = gnupg.addPassphrase();
      const recipient = ['--recipient', await gnupg.addKey(type, own), '--encrypt'];
      await gnupg.forget();
      for (const options of [recipient, ['--armor', ...recipient]]) {
        const path = await gnupg.encrypt(key.pem, ...options);
        await assertOpens(path, key.publicKey, { gpg: gpgCommand(own) });
      }
    });
  }

  for (const [what, options] of [
    ['with a passphrase', ['--symmetric']],
    ['with a passphrase, armored', ['--armor', '--symmetric']],
    ['signed too', ['--sign', '--encrypt']],
    ['to a hidden recipient', ['--throw-keyids', '--encrypt']],
    ['uncompressed', ['--compress-algo', 'none', '--encrypt']],
  ] as const) {
    it(`opens a message encrypted ${what}`, async () => {
      const all = ['--passphrase-file', passphrase.file, '--recipient', user, ...options];
      const path = await gnupg.encrypt(key.pem, ...all);
      await assertOpens(path, key.publicKey, { gpg: gpgCommand(passphrase) });
    });
  }

  for (const algorithm of ['RS256', 'ES384', 'ES512'] as const) {
    it(`opens a key of ${algorithm}, in the older PEM too`, async () => {
      const { pem, privateKey, publicKey } = makeKey(algorithm);
      const type = algorithm === 'RS256' ? 'pkcs1' : 'sec1';
      const old = privateKey.export({ type, format: 'pem' }).toString();
      for (const text of [pem, old]) {
        const path = await gnupg.encrypt(text, '--recipient', user, '--encrypt');
        await assertOpens(path, publicKey, { gpg: gpgCommand(passphrase) });
      }
    });
  }

  it('lets gpg-agent ask by pinentry, once, on the terminal that GPG_TTY names', async () => {
    const path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
    const heard = join(gnupg.folder, 'pinentry.log');
    const pinentry = script(
      'pinentry',
      `echo 'OK ready'
       while read -r line; do
         echo "$line" >>${heard}
         case $line in
           GETPIN) printf 'D %s\\nOK\\n' "$(cat ${passphrase.file})" ;;
           BYE) echo OK; exit ;;
           *) echo OK ;;
         esac
       done`,
    );
    appendFileSync(join(gnupg.home, 'gpg-agent.conf'), `pinentry-program ${pinentry}\n`);
    await gnupg.forget();
    const env = { GPG_TTY: '/dev/pts/4711', TERM: 'vt52' };
    await assertOpens(path, key.publicKey, { gpg: ['gpg', '--quiet'], env });
    const commands = readFileSync(heard, 'utf8').split('\n');
    assert.equal(commands.filter((line) => line === 'GETPIN').length, 1);
    assert.ok(commands.includes('OPTION ttyname=/dev/pts/4711'));
    assert.ok(commands.includes('OPTION ttytype=vt52'));
  });

  it('tells of a wrong passphrase, after one attempt', async () => {
    const path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
    await gnupg.forget();
    const runs = join(gnupg.folder, 'runs');
    const counted = script('counted', `echo run >>${runs}; exec "$@"`);
    const [gpg, ...options] = gpgCommand(gnupg.addPassphrase());
    const opening: Opening = { gpg: [counted, gpg, ...options] };
    const error = await assertFails(path, opening, 'KEY_DECRYPT');
    assert.match(error.message, /gpg: ended with exit status 2: gpg: .*(Bad passphrase|No secret)/);
    assert.match(error.hint ?? '', /gpg --decrypt .* >\/dev\/null/);
    assert.equal(readFileSync(runs, 'utf8'), 'run\n');
    assert.ok(logged.some((line) => line.startsWith('gpg says: gpg: ')));
  });

  it('tells of a message for another key', async () => {
    const other = await createGnupg(scope);
    const stranger = await other.addKey('Curve25519', other.addPassphrase());
    const path = await other.encrypt(key.pem, '--recipient', stranger, '--encrypt');
    const error = await assertFails(path, { gpg: gpgCommand(passphrase) }, 'KEY_DECRYPT');
    assert.match(error.message, /No secret key/);
  });

  it('takes nothing from a message that was tampered with', async () => {
    const path = await gnupg.encrypt(
      key.pem,
      '--recipient',
      user,
      '--compress-algo',
      'none',
      '--encrypt',
    );
    const bytes = readFileSync(path);
    for (const back of [1, 100, 200]) {
      const tampered = Buffer.from(bytes);
      tampered.writeUInt8(tampered.readUInt8(bytes.length - back) ^ 1, bytes.length - back);
      writeFileSync(`${path}-${back}`, tampered);
      await assertFails(`${path}-${back}`, { gpg: gpgCommand(passphrase) }, 'KEY_DECRYPT');
    }
  });

  it('refuses a message without integrity protection, though gpg be told to take it', async () => {
    const old = ['--rfc2440', '--disable-mdc', '--passphrase-file', passphrase.file, '--symmetric'];
    const path = await gnupg.encrypt(key.pem, ...old);
    const gpg = gpgCommand(passphrase, '--ignore-mdc-error');
    const error = await assertFails(path, { gpg }, 'KEY_DECRYPT');
    assert.match(error.message, /without integrity protection/);
  });

  for (const [what, args, problem] of [
    ['stored, not encrypted', ['--store'], /not encrypted/],
    ['signed, not encrypted', ['--sign'], /not encrypted/],
    ['signed in the clear', ['--clear-sign'], /not an OpenPGP message/],
  ] as const) {
    it(`refuses what is ${what}, though gpg would pass it on`, async () => {
      const asked = ['--passphrase-file', passphrase.file];
      const path = await gnupg.encrypt(key.pem, ...asked, ...args);
      const error = await assertFails(path, { gpg: gpgCommand(passphrase) }, 'KEY_DECRYPT');
      assert.match(error.message, problem);
      assert.match(error.hint ?? '', /gpg --encrypt/);
    });
  }

  it('refuses an OpenPGP key', async () => {
    const path = join(gnupg.folder, 'public-key');
    await gnupg.run('--output', path, '--export', user);
    const error = await assertFails(path, { gpg: gpgCommand(passphrase) }, 'KEY_DECRYPT');
    assert.match(error.message, /an OpenPGP key/);
  });

  for (const [what, text] of [
    ['a PEM file in the clear', key.pem],
    ['nothing', ''],
    ['text', 'my key is safe'],
    ['noise', Buffer.from([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 1])],
  ] as const) {
    it(`refuses ${what} before gpg sees it`, async () => {
      const path = join(gnupg.folder, 'foreign');
      writeFileSync(path, text);
      const gpg: Opening['gpg'] = ['/nonexistent/gpg'];
      const error = await assertFails(path, { gpg }, 'KEY_DECRYPT');
      assert.match(error.message, /not an OpenPGP message/);
    });
  }

  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const another = makeKeyPair('ec', { namedCurve: 'P-256' });
  const second = another.privateKey.export(pkcs8).toString();
  const publicPem = another.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const passphraseToo = another.privateKey
    .export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'inner passphrase' })
    .toString();
  recordPrivateKey(second);
  for (const [what, text, problem] of [
    ['two keys', key.pem + second, /decrypted: holds private key, private key/],
    ['a public key', publicPem, /decrypted: holds public key/],
    ['a key and a public key', key.pem + publicPem, /decrypted: holds private key, public key/],
    ['no PEM', 'nothing to see', /decrypted: not a PEM file/],
    ['nothing', '', /decrypted: not a PEM file/],
    ['a key with a passphrase of its own', passphraseToo, /encrypted once more/],
  ] as const) {
    it(`refuses ${what} inside`, async () => {
      const path = await gnupg.encrypt(text, '--recipient', user, '--encrypt');
      const error = await assertFails(path, { gpg: gpgCommand(passphrase) }, 'KEY_FILE');
      assert.match(error.message, problem);
    });
  }

  it('takes text around a message, and a byte order mark inside, as gpg and openssl do', async () => {
    const opening = { gpg: gpgCommand(passphrase) };
    const armored = readFileSync(
      await gnupg.encrypt(key.pem, '--armor', '--recipient', user, '--encrypt'),
    );
    const path = join(gnupg.folder, 'letter.asc');
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('the key:\n\n'), armored, Buffer.from('\nbye\n')]),
    );
    await assertOpens(path, key.publicKey, opening);
    const marked = await gnupg.encrypt(`\ufeff${key.pem}`, '--recipient', user, '--encrypt');
    await assertOpens(marked, key.publicKey, opening);
    // Before the message gpg does not read over it.
    writeFileSync(path, Buffer.concat([Buffer.from('\ufeff'), armored]));
    const error = await assertFails(path, opening, 'KEY_DECRYPT');
    assert.match(error.message, /begins with a byte order mark, which gpg does not read/);
    assert.match(error.hint ?? '', /tail -c \+4/);
  });

  it('refuses a file that is missing, no file, or writable by others', async () => {
    const opening = { gpg: gpgCommand(passphrase) };
    await assertFails(join(gnupg.folder, 'none'), opening, 'SYS_PATH');
    await assertFails('key.gpg', opening, 'KEY_FILE');
    const folder = join(gnupg.folder, 'folder');
    mkdirSync(folder);
    await assertFails(folder, opening, 'SYS_PATH');
    const path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
    chmodSync(path, 0o664);
    const error = await assertFails(path, opening, 'SYS_UNSAFE_PATH');
    assert.match(error.hint ?? '', /chmod go-w/);
    chmodSync(path, 0o644);
    await assertOpens(path, key.publicKey, opening);
  });

  describe('with a program in the place of gpg', () => {
    let path: string;
    before(async () => {
      path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
    });

    it('tells when there is none', async () => {
      const error = await assertFails(path, { gpg: ['no-such-gpg', '--quiet'] }, 'KEY_DECRYPT');
      assert.match(error.message, /no-such-gpg is not in \/usr\/bin or \/bin/);
      assert.match(error.hint ?? '', /install GnuPG.*openpgp:/);
    });

    it('runs the gpg of the system, and not one of that name in the search path', async () => {
      const ran = join(gnupg.folder, 'false-gpg-ran');
      script('gpg', `touch ${ran}; exit 1`);
      const env = { PATH: `${gnupg.folder}:${process.env['PATH'] ?? ''}` };
      await assertOpens(path, key.publicKey, { gpg: gpgCommand(passphrase), env });
      assert.ok(!existsSync(ran));
    });

    it('ends one that hangs, though a child of it holds the pipes', async () => {
      const pids = join(gnupg.folder, 'pids');
      const gpg = script('hanging', `sleep 60 & echo $! $$ >${pids}; exec sleep 61`);
      const error = await assertFails(path, { gpg: [gpg], timeoutMs: 500 }, 'KEY_DECRYPT');
      assert.match(error.message, /not done within 0\.5 s/);
      const [child, program] = readFileSync(pids, 'utf8').trim().split(' ').map(Number);
      process.kill(child ?? 0, 'SIGKILL');
      await waitForEndOf(program ?? 0);
    });

    it('takes no more output than a key has, and shows what it says bounded and escaped', async () => {
      const flood = script('flood', 'exec head -c 1000000 /dev/zero');
      const error = await assertFails(path, { gpg: [flood] }, 'KEY_DECRYPT');
      assert.match(error.message, /more than 65536 bytes/);
      logged.length = 0;
      const noisy = script(
        'noisy',
        `i=0
        while [ $i -lt 100 ]; do printf 'line\\033[2J %1000d\\n' $i >&2; i=$((i+1)); done; exit 3`,
      );
      const failed = await assertFails(path, { gpg: [noisy] }, 'KEY_DECRYPT');
      assert.match(failed.message, /exit status 3: line\\u001b\[2J/);
      assert.equal(logged.length, 20);
      assert.ok(logged.every((line) => line.length < 350 && !line.includes('\u001b')));
    });

    it('gives it its options, the file last, no standard input and no foreign variable', async () => {
      const seen = join(gnupg.folder, 'seen');
      const spy = script(
        'spy',
        `{ printf '<%s>' "$@"; echo; readlink /proc/$$/fd/0; env; } >${seen}; exit 1`,
      );
      const env = { PIN: 'geheim-4711', NODE_OPTIONS: '--no-warnings', XDG_RUNTIME_DIR: '/run/x' };
      await assertFails(path, { gpg: [spy, '--homedir', '/a b', '$HOME;ls'], env }, 'KEY_DECRYPT');
      const [args, stdin, ...variables] = readFileSync(seen, 'utf8').split('\n');
      assert.equal(args, `<--homedir></a b><$HOME;ls><--decrypt><--output><-><--><${path}>`);
      assert.equal(stdin, '/dev/null');
      const told = variables.join('\n');
      assert.match(told, /^GNUPGHOME=/m);
      assert.match(told, /^XDG_RUNTIME_DIR=\/run\/x$/m);
      assert.doesNotMatch(told, /geheim|NODE_OPTIONS/);
    });
  });
});
