// A PIN latch as a value: what it records, when it forbids another attempt, how it is described.
// (latch-folder.ts has the files, latch-store.ts finds the latch of a token and locks it.) A latch
// is written before a PIN is sent and removed after a login that succeeded. So the latch of an
// attempt that was cut off stays, counts as refused, and outlives a restart. Runs in clavigerd and
// its commands. Pure. Nothing in a latch is derived from the PIN.

import * as v from 'valibot';
import { quoteWord } from '../../lib/command-words.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import type { TokenInfo } from '../../token/messages.js';
import { nameOfToken } from './token-name.js';

/** Attempts in a row, each with a changed source, after which only `clavigerd pin clear` helps. */
const MAX_ATTEMPTS_IN_ROW = 2;

const text = v.pipe(v.string(), v.maxLength(8192));
const latchSchema = v.strictObject({
  version: v.literal(1),
  token: v.strictObject({ label: text, serial: text, manufacturer: text, model: text }),
  /** Whose PIN, CK_USER_TYPE: the security officer's; absent for the user's. */
  role: v.optional(v.literal('so')),
  /** The PIN source as the configuration names it: `file:/etc/claviger/pin`. */
  source: text,
  /** The state of the source at the attempt: see pin-identity.ts. */
  identity: text,
  state: v.picklist(['attempting', 'refused']),
  /** The error with which the token refused. */
  reason: v.optional(text),
  /** Attempts without a success, this one included. */
  attempts: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** ISO 8601. */
  since: v.pipe(text, v.isoTimestamp()),
});

export type PinLatch = v.InferOutput<typeof latchSchema>;
export type LatchedToken = Pick<TokenInfo, 'label' | 'serial' | 'manufacturer' | 'model'>;
/** Whose PIN, as PKCS#11 names them: CKU_USER, CKU_SO. */
export type PinRole = 'user' | 'so';

/** Undefined for content that is no latch; the caller must forbid attempts then, too. */
export function parseLatch(content: Uint8Array): PinLatch | undefined {
  try {
    const parsed = v.safeParse(latchSchema, parseStrictJson(content));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}

export function formatLatch(latch: PinLatch): string {
  return `${JSON.stringify(latch, undefined, 2)}\n`;
}

/** The latch of an attempt that begins now. @param before the latch that it replaces, if any. */
export function newLatch(
  token: LatchedToken,
  origin: Pick<PinLatch, 'source' | 'identity' | 'role'>,
  before: PinLatch | undefined,
  now: number,
): PinLatch {
  const { label, serial, manufacturer, model } = token;
  return {
    version: 1,
    token: { label, serial, manufacturer, model },
    ...(origin.role !== undefined && { role: origin.role }),
    source: origin.source,
    identity: origin.identity,
    state: 'attempting',
    attempts: (before?.attempts ?? 0) + 1,
    since: new Date(now).toISOString(),
  };
}

/** True while no attempt may be made with a PIN from a source of this identity. */
export function forbidsAttempt(latch: PinLatch, identity: string): boolean {
  return latch.identity === identity || latch.attempts >= MAX_ATTEMPTS_IN_ROW;
}

/**
 * What happened, in words.
 * @param isUnderWay true while the process that makes the attempt holds its lock.
 */
export function describeLatch(latch: PinLatch, isUnderWay = false): string {
  const { source, state, reason, since } = latch;
  if (state === 'refused') {
    return `${pinOf(latch)} of ${source} was refused at ${since} (${reason ?? 'no reason was given'})`;
  }
  const outcome = isUnderWay ? 'and is under way' : 'and how it ended is not known';
  return `an attempt with ${pinOf(latch)} of ${source} began at ${since}, ${outcome}`;
}

/** What to do to be rid of it, in words. @param stateDirectory the one that holds the latch. */
export function howToClear(latch: PinLatch, stateDirectory: string): string {
  const { attempts, source, identity, token } = latch;
  const words = [`--token=${token.serial}`, `--state-directory=${stateDirectory}`];
  const clear = `clavigerd pin clear ${words.map(quoteWord).join(' ')}`;
  if (attempts >= MAX_ATTEMPTS_IN_ROW) {
    return `${attempts} attempts in a row failed: correct ${source}, then run: ${clear}`;
  }
  // Only a file shows by its identity that it was corrected.
  return source.startsWith('file:') && identity !== source
    ? `correct ${source}, or run: ${clear}`
    : `correct ${source}, then run: ${clear}`;
}

/** The error of an attempt that a latch forbids. */
export function errorOfLatch(latch: PinLatch, stateDirectory: string): AppError {
  const problem = `${nameOfToken(latch.token)}: no PIN is tried: ${printable(describeLatch(latch))}`;
  const hint = printable(howToClear(latch, stateDirectory));
  return new AppError('KEY_PIN_HELD', problem, { hint });
}

function pinOf({ role }: PinLatch): string {
  return role === 'so' ? 'the SO PIN' : 'the PIN';
}
