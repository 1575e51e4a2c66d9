// A pcscd with vsmartcard's virtual reader, for one test. Used by test processes only. pcscd is one
// for each machine, so where the kernel lets us it runs in namespaces of its own: a /run/pcscd and
// ports that nobody else sees, and a loopback that acknowledges at once (vpcd writes a length and
// then the bytes, which costs 43 ms a command with delayed acknowledgements). Elsewhere it is the
// machine's only one, slow, and tests that use it wait for each other.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, runCommand, startProcess, type RunningProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

/** ykcs11 takes no reader that does not look like Yubico's. */
const READER_NAME = 'Yubico YubiKey OTP+FIDO+CCID';
const DRIVER = '/usr/lib/pcsc/drivers/serial/libifdvpcd.so';
/** The driver's own; the second slot has the next one. */
const FIRST_PORT = 35963;
const RUN_FOLDER = '/run/pcscd';

/** The longest time another test may have the machine's only pcscd. */
const LOCK_TIMEOUT_S = 150;

const CARD_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const OUTPUT_LINES = 20;

/** Ends with its standard input; until then the namespaces are there. */
const HOLD_NAMESPACES = `set -e
mount --bind "$1" ${RUN_FOLDER}
ip link set lo up
for net in 127.0.0.0/8 127.0.0.1; do
  ip route replace local $net dev lo proto kernel scope host src 127.0.0.1 table local quickack 1
done
echo ready
exec cat`;

export interface Pcscd {
  /** What a process needs to talk to this pcscd. */
  readonly env: Readonly<Record<string, string>>;
  /** False where each command to a card takes 43 ms. */
  readonly isFast: boolean;
  /** Where the two slots of the reader wait for their cards. */
  readonly ports: readonly [number, number];
  /** The command line that runs a program where those ports are. */
  inside(command: string, args: readonly string[]): { command: string; args: readonly string[] };
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The end of what it has printed since its last start. */
  output(): string;
}

/** Starts a pcscd whose reader is empty. */
export async function startPcscd(scope: Scope): Promise<Pcscd> {
  const folder = await makeTempDir(scope, 'cvpcsc-');
  const config = join(folder, 'reader.conf');
  writeFileSync(
    config,
    [
      `FRIENDLYNAME "${READER_NAME}"`,
      `DEVICENAME /dev/null:${FIRST_PORT}`,
      `LIBPATH ${DRIVER}`,
      `CHANNELID ${FIRST_PORT}`,
      '',
    ].join('\n'),
  );
  const holder = await holdNamespaces(scope, folder);
  const inside: Pcscd['inside'] = (command, args) =>
    holder === undefined
      ? { command, args }
      : { command: 'nsenter', args: [...enterArgs(holder), '--', command, ...args] };
  let running: RunningProcess | undefined;
  const pcscd: Pcscd = {
    env: holder === undefined ? {} : { PCSCLITE_CSOCK_NAME: join(folder, 'run', 'pcscd.comm') },
    isFast: holder !== undefined,
    ports: [FIRST_PORT, FIRST_PORT + 1],
    inside,
    async start() {
      running = await startProcess(scope, {
        ...inside('pcscd', ['--foreground', '--info', '--config', config]),
        waitFor: /daemon ready/,
      });
    },
    async stop() {
      await running?.stop();
      running = undefined;
    },
    output: () =>
      (running?.output ?? '')
        .split('\n')
        // Each look at the reader by opensc-tool makes one.
        .filter((line) => !line.includes('IFDControl()'))
        .slice(-OUTPUT_LINES)
        .join('\n'),
  };
  await pcscd.start();
  return pcscd;
}

function unshareArgs(): string[] {
  return ['--mount', '--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];
}

function enterArgs(holder: RunningProcess): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  return ['--target', String(holder.pid), ...asRoot, '--mount', '--net'];
}

/**
 * Undefined where we may not make namespaces: then the pcscd of this machine is ours until the
 * scope ends.
 */
async function holdNamespaces(scope: Scope, folder: string): Promise<RunningProcess | undefined> {
  mkdirSync(RUN_FOLDER, { recursive: true });
  if ((await runCommand('unshare', [...unshareArgs(), 'true'])).code !== 0) {
    const wait = ['--wait', String(LOCK_TIMEOUT_S), RUN_FOLDER];
    await startProcess(scope, {
      command: 'flock',
      args: [...wait, 'sh', '-c', 'echo ready; exec cat'],
      stdin: true,
      waitFor: /^ready$/m,
      timeoutMs: LOCK_TIMEOUT_S * 1000,
    });
    return undefined;
  }
  const run = join(folder, 'run');
  mkdirSync(run);
  return await startProcess(scope, {
    command: 'unshare',
    args: [...unshareArgs(), 'sh', '-c', HOLD_NAMESPACES, 'sh', run],
    stdin: true,
    waitFor: /^ready$/m,
  });
}

/** Waits until a slot of the reader holds a card, or none. */
export async function waitForCard(pcscd: Pcscd, slot: number, present: boolean): Promise<void> {
  const line = new RegExp(`^${slot} +${present ? 'Yes' : 'No'} `, 'm');
  const deadline = Date.now() + CARD_TIMEOUT_MS;
  while (!line.test(await mustRun('opensc-tool', ['--list-readers'], { env: pcscd.env }))) {
    if (Date.now() > deadline) {
      const what = present ? 'got a card' : 'got empty';
      throw new Error(`slot ${slot} of the reader never ${what}:\n${pcscd.output()}`);
    }
    await sleep(POLL_MS);
  }
}
