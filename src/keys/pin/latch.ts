// The note that keeps a refused PIN from being tried again, across restarts. Pure; daemon and
// commands. It is written before an attempt and removed after a success, so an attempt that was cut
// off counts as refused. It names the token and where the PIN came from; nothing in it is derived
// from the PIN.

import * as v from 'valibot';
import { quoteWord } from '../../lib/command-words.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import type { TokenInfo } from '../../token/messages.js';

/** Attempts in a row, each with a changed source, after which only `clavigerd pin clear` helps. */
export const MAX_ATTEMPTS_IN_ROW = 2;

const text = v.pipe(v.string(), v.maxLength(8192));
const latchSchema = v.strictObject({
  version: v.literal(1),
  token: v.strictObject({ label: text, serial: text, manufacturer: text, model: text }),
  /** Whose PIN, CK_USER_TYPE: the security officer's; absent for the user's. */
  role: v.optional(v.literal('so')),
  /** The PIN source as people know it: `file:/etc/claviger/pin`. */
  source: text,
  /** What the source was at the attempt: see pin-identity.ts. */
  identity: text,
  state: v.picklist(['attempting', 'refused']),
  /** What the token said. */
  reason: v.optional(text),
  /** Attempts without a success, this one counted. */
  attempts: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** ISO 8601. */
  since: v.pipe(text, v.isoTimestamp()),
});

export type PinLatch = v.InferOutput<typeof latchSchema>;
export type LatchedToken = Pick<TokenInfo, 'label' | 'serial' | 'manufacturer' | 'model'>;
/** Whose PIN, as PKCS#11 names them: CKU_USER, CKU_SO. */
export type PinRole = 'user' | 'so';

/** What the file holds; undefined for anything that is no latch, which holds like one. */
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

/** The latch of an attempt that begins now. @param before the one it takes the place of, if any. */
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

/** True while no attempt may be made with a PIN of this identity. */
export function isHeld(latch: PinLatch, identity: string): boolean {
  return latch.identity === identity || latch.attempts >= MAX_ATTEMPTS_IN_ROW;
}

/**
 * Why, in words for the log.
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

/** What opens it, in words. @param stateDirectory where it is. */
export function howToOpen(latch: PinLatch, stateDirectory: string): string {
  const { attempts, source, identity, token } = latch;
  const words = [`--token=${token.serial}`, `--state-directory=${stateDirectory}`];
  const clear = `clavigerd pin clear ${words.map(quoteWord).join(' ')}`;
  if (attempts >= MAX_ATTEMPTS_IN_ROW) {
    return `${attempts} attempts in a row failed: correct ${source}, then run: ${clear}`;
  }
  // Only of a file can be seen that it was corrected.
  return source.startsWith('file:') && identity !== source
    ? `correct ${source}, or run: ${clear}`
    : `correct ${source}, then run: ${clear}`;
}

/** No attempt is made while it holds. */
export function errorOfLatch(latch: PinLatch, stateDirectory: string): AppError {
  const problem = `${nameOfToken(latch.token)}: no PIN is tried: ${printable(describeLatch(latch))}`;
  const hint = printable(howToOpen(latch, stateDirectory));
  return new AppError('KEY_PIN_HELD', problem, { hint });
}

/** For people; what a token says of itself is escaped. */
export function nameOfToken({ label, serial }: Pick<TokenInfo, 'label' | 'serial'>): string {
  return `token ${printable(JSON.stringify(label))} (serial ${printable(serial)})`;
}

function pinOf({ role }: PinLatch): string {
  return role === 'so' ? 'the SO PIN' : 'the PIN';
}
