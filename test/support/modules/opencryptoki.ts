// opencryptoki's soft token with a pkcsslotd of its own. Used by test processes only. Its paths and
// its shared memory are fixed and one for each machine, so everything runs in mount and IPC
// namespaces where those paths are empty; only what `inside` starts sees the token. That takes
// root.

import { randomInt } from 'node:crypto';
import { writePin, type ModuleBed } from './module-bed.js';
import { mustRun, startProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { randomPin } from '../random-pin.js';

const TOKEN = 'ock';
/** The slot of the soft token in Debian's opencryptoki.conf. */
const SLOT = '3';
const STATE = '/var/lib/opencryptoki';
const LOCKS = '/var/lock/opencryptoki';

/** Hides the machine's own state, then runs the daemon in the foreground. */
const RUN_SLOT_DAEMON = `set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /run/lock
mount -t tmpfs -o mode=755 tmpfs ${STATE}
if [ ! -L /var/lock ]; then mount -t tmpfs tmpfs /var/lock; fi
install -d -m 770 -g pkcs11 ${STATE} ${STATE}/swtok ${STATE}/swtok/TOK_OBJ ${LOCKS} ${LOCKS}/swtok
echo mounted
exec pkcsslotd -f`;

interface OpencryptokiBed extends ModuleBed {
  readonly pin: string;
  /** Sets the user's PIN anew, which also unlocks it. */
  unlock(): Promise<void>;
}

/** Starts pkcsslotd and makes the token. */
export async function startOpencryptoki(scope: Scope): Promise<OpencryptokiBed> {
  const folder = await makeTempDir(scope, 'cvock-');
  const daemon = await startProcess(scope, {
    command: 'unshare',
    args: ['--mount', '--ipc', 'sh', '-c', RUN_SLOT_DAEMON],
    // Before that, its namespaces are still ours.
    waitFor: /^mounted$/m,
  });
  const inside: ModuleBed['inside'] = (command, args) => ({
    command: 'nsenter',
    args: ['--target', String(daemon.pid), '--mount', '--ipc', '--', command, ...args],
  });
  const run = async (command: string, args: readonly string[], input?: string): Promise<void> => {
    const words = inside(command, args);
    await mustRun(words.command, words.args, input === undefined ? {} : { input });
  };
  // The daemon says nothing: its socket is where only `inside` can look.
  await run('sh', [
    '-c',
    'for i in $(seq 200); do [ -S /run/pkcsslotd.socket ] && exit; sleep 0.05; done; exit 1',
  ]);
  const [soPin, firstPin, pin] = [digits(8), digits(8), randomPin()];
  const configure = (...args: readonly string[]): Promise<void> =>
    run('pkcsconf', [...args, '-c', SLOT]);
  const setPin = async (): Promise<void> => {
    await configure('-u', '-S', soPin, '-n', firstPin);
    // A PIN that the SO set has to be changed before it is of use.
    await configure('-p', '-U', firstPin, '-n', pin);
  };
  // The SO PIN of a new token is fixed.
  await run('pkcsconf', ['-I', '-c', SLOT, '-S', '87654321'], `${TOKEN}\n`);
  await configure('-P', '-S', '87654321', '-n', soPin);
  await setPin();
  return {
    moduleName: 'opencryptoki',
    token: `token=${TOKEN}`,
    env: {},
    pin,
    pinFile: writePin(folder, pin),
    inside,
    unlock: setPin,
  };
}

function digits(count: number): string {
  return String(randomInt(10 ** (count - 1), 10 ** count));
}
