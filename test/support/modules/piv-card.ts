// Virtual PIV cards in a virtual reader, as OpenSC and ykcs11 see them. Used by test processes
// only. The cards live in a process of their own (test/piv-card), which takes commands on its
// standard input.

import { createPublicKey, randomBytes, randomInt, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { CardKeyType } from '../../piv-card/card-key.js';
import type { Command } from '../../piv-card/commands.js';
import { KEY_SLOTS, type KeySlotName } from '../../piv-card/slot.js';
import type { CardStatistics } from '../../piv-card/virtual-card.js';
import { type Pcscd, startPcscd, waitForCard } from './pcscd.js';
import { startProcess, type RunningProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { recordSecret } from '../transcript.js';
import { randomPin } from '../random-pin.js';

const CARD_PROCESS = fileURLToPath(new URL('../../piv-card/main.js', import.meta.url));
const LIBRARIES = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
const REPLY_TIMEOUT_MS = 20_000;
/**
 * From a pull to the next card, as fast as a hand may be: pcscd looks every 400 ms, and a card that
 * was back between two looks, after a reset that failed, is never seen again.
 */
const EXCHANGE_MS = 1_000;

/** The modules that speak to a PIV card. */
export const PIV_MODULES = {
  opensc: `${LIBRARIES}/opensc-pkcs11.so`,
  ykcs11: `${LIBRARIES}/libykcs11.so.2`,
} as const;
export type PivModule = keyof typeof PIV_MODULES;

/** CKA_ID by slot, in both modules. */
const ID_OF_SLOT: Readonly<Record<KeySlotName, string>> = {
  '9a': '01',
  '9c': '02',
  '9d': '03',
  '9e': '04',
};

export interface PivCard {
  readonly name: string;
  /** Serial number, as ykcs11 shows it. */
  readonly serial: number;
  readonly pin: string;
  readonly puk: string;
  /** File with the PIN, mode 0600. */
  readonly pinFile: string;
  readonly publicKeys: Readonly<Partial<Record<KeySlotName, KeyObject>>>;
  statistics(): Promise<CardStatistics>;
  /** How long each signature to come waits for a touch: milliseconds, or for ever. */
  setTouch(delay: number | 'never'): Promise<void>;
  /** Ends the wait for a touch as a real card does after some 15 s: with an error. */
  giveUpTouch(): Promise<void>;
}

export interface PivCardBed {
  readonly pcscd: Pcscd;
  /** What a process needs to see the reader. */
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Makes a card; it is in no reader yet. A serial number of choice makes it look like another. */
  makeCard(
    keys: Readonly<Partial<Record<KeySlotName, CardKeyType>>>,
    serial?: number,
  ): Promise<PivCard>;
  /** Puts a card into a slot of the reader (0 or 1), and waits until pcscd sees it. */
  insert(card: PivCard, slot?: number): Promise<void>;
  /**
   * Pulls the card out. It is out at once; pcscd takes a while to notice, and `settled` waits for
   * that.
   */
  remove(slot?: number, settled?: boolean): Promise<void>;
}

/** Starts pcscd and the process of the cards. */
export async function startPivCards(scope: Scope): Promise<PivCardBed> {
  const pcscd = await startPcscd(scope);
  const folder = await makeTempDir(scope, 'cvpiv-');
  const cards = await startProcess(scope, {
    ...pcscd.inside(process.execPath, [CARD_PROCESS, ...pcscd.ports.map(String)]),
    stdin: true,
    waitFor: /^ready$/m,
  });
  const send = commander(cards);
  const pulledAt = new Map<number, number>();
  let made = 0;
  return {
    pcscd,
    env: pcscd.env,
    folder,
    async makeCard(keys, serial = randomInt(10_000_000, 100_000_000)): Promise<PivCard> {
      const name = `card-${++made}`;
      const pin = randomPin();
      const puk = randomBytes(4).toString('hex');
      recordSecret(pin);
      const pems = await send({ command: 'make', name, serial, pin, puk, keys });
      const pinFile = join(folder, `pin-${made}`);
      writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
      return {
        ...{ name, serial, pin, puk, pinFile },
        publicKeys: parsePublicKeys(pems),
        statistics: async () => parseStatistics(await send({ command: 'statistics', name })),
        async setTouch(delay) {
          await send({ command: 'touch', name, delayMs: delay === 'never' ? null : delay });
        },
        async giveUpTouch() {
          await send({ command: 'give-up', name });
        },
      };
    },
    async insert(card, slot = 0) {
      await sleep(Math.max(0, (pulledAt.get(slot) ?? 0) + EXCHANGE_MS - Date.now()));
      await send({ command: 'insert', name: card.name, reader: slot });
      await waitForCard(pcscd, slot, true);
    },
    async remove(slot = 0, settled = true) {
      await send({ command: 'remove', reader: slot });
      pulledAt.set(slot, Date.now());
      if (settled) {
        await waitForCard(pcscd, slot, false);
      }
    },
  };
}

/** One card with these keys, in the reader. */
export async function startPivCard(
  scope: Scope,
  keys: Readonly<Partial<Record<KeySlotName, CardKeyType>>>,
): Promise<PivCardBed & { readonly card: PivCard }> {
  const bed = await startPivCards(scope);
  const card = await bed.makeCard(keys);
  await bed.insert(card);
  return { ...bed, card };
}

/** `pkcs11:` URI of a key on whatever card is in the reader, PIN file included. */
export function pivUri(
  module: PivModule,
  slot: KeySlotName,
  { pinFile, token = '' }: { readonly pinFile: string; readonly token?: string },
): string {
  return `pkcs11:${token}id=%${ID_OF_SLOT[slot]}?module-path=${PIV_MODULES[module]}&pin-source=file:${pinFile}`;
}

function commander(cards: RunningProcess): (command: Command) => Promise<unknown> {
  let id = 0;
  return async (command) => {
    const number = ++id;
    cards.stdin.write(`${JSON.stringify({ id: number, ...command })}\n`);
    const reply = new RegExp(`^\\{"id":${number},.*\\}$`, 'm');
    await cards.waitFor(reply, REPLY_TIMEOUT_MS);
    const fields: unknown = JSON.parse(reply.exec(cards.stdout)?.[0] ?? '');
    if (typeof fields !== 'object' || fields === null || !('result' in fields)) {
      throw new Error(`the cards answered ${JSON.stringify(fields)}`);
    }
    return fields.result;
  };
}

function parsePublicKeys(value: unknown): PivCard['publicKeys'] {
  const keys: Partial<Record<KeySlotName, KeyObject>> = {};
  for (const [name, pem] of Object.entries(toObject(value))) {
    const slot = KEY_SLOTS.find((candidate) => candidate === name);
    if (slot !== undefined) {
      keys[slot] = createPublicKey(String(pem));
    }
  }
  return keys;
}

function parseStatistics(value: unknown): CardStatistics {
  const fields: Record<string, unknown> = toObject(value);
  const count = (name: keyof CardStatistics): number => Number(fields[name]);
  return {
    verifyRight: count('verifyRight'),
    verifyWrong: count('verifyWrong'),
    pinTriesLeft: count('pinTriesLeft'),
    pukTriesLeft: count('pukTriesLeft'),
    signaturesBegun: count('signaturesBegun'),
    signatures: count('signatures'),
  };
}

function toObject(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    throw new Error('the cards answered no object');
  }
  return { ...value };
}
