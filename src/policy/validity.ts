// Which dates an order may ask for, RFC 8555 §7.4 and RFC 8739 §3.1.1. Pure; clavigerd and
// `clavigerd policy`. With dates of its choice a client could get a certificate that is valid long
// after the client has lost its access, so dates are refused unless a policy sets limits for them.

import { isJsonObject, jsonMember, type JsonObject } from '../lib/json/json-value.js';
import { parseDateTime } from '../lib/date-time.js';
import { formatDuration } from '../lib/duration.js';

export interface ValidityLimits {
  /** Longest time from notBefore (without one, from now) to notAfter; undefined: no notAfter. */
  readonly maxMs: number | undefined;
  /** Longest time from now to notBefore. */
  readonly aheadMs: number;
}

/** How far the clocks of client and signer may differ. */
export const CLOCK_TOLERANCE_MS = 300_000;

/** Why a policy refuses the dates of an order, as a predicate; undefined when they are allowed. */
export function validityProblem(
  order: JsonObject,
  limits: ValidityLimits | undefined,
  now: number,
): string | undefined {
  const own = datesOf(order, 'notBefore', 'notAfter');
  const renewal = jsonMember(order, 'auto-renewal');
  if (own.isNamed && renewal !== undefined) {
    return 'does not allow dates beside auto-renewal in an order'; // RFC 8739 §3.1.1
  }
  const { start, end } = isJsonObject(renewal) ? datesOf(renewal, 'start-date', 'end-date') : own;
  if (start === undefined && end === undefined) {
    return undefined;
  }
  if (limits === undefined) {
    return 'does not allow an order to name dates';
  }
  const startMs = start === undefined ? now : parseDateTime(start);
  if (startMs === undefined) {
    return 'does not allow a notBefore that is no date of RFC 3339';
  }
  return (
    startProblem(startMs - now, limits) ??
    (end === undefined ? undefined : endProblem(startMs, parseDateTime(end), limits))
  );
}

function startProblem(aheadMs: number, limits: ValidityLimits): string | undefined {
  if (aheadMs < -CLOCK_TOLERANCE_MS) {
    return 'does not allow a notBefore in the past';
  }
  if (aheadMs > limits.aheadMs + CLOCK_TOLERANCE_MS) {
    return limits.aheadMs === 0
      ? 'does not allow a notBefore in the future'
      : `does not allow a notBefore more than ${formatDuration(limits.aheadMs)} ahead`;
  }
  return undefined;
}

function endProblem(
  startMs: number,
  endMs: number | undefined,
  { maxMs }: ValidityLimits,
): string | undefined {
  if (endMs === undefined) {
    return 'does not allow a notAfter that is no date of RFC 3339';
  }
  if (endMs <= startMs) {
    return 'does not allow a notAfter that is not after the beginning';
  }
  if (maxMs === undefined) {
    return 'does not allow an order to name a notAfter';
  }
  return endMs - startMs > maxMs
    ? `does not allow a notAfter more than ${formatDuration(maxMs)} after the beginning`
    : undefined;
}

interface Dates {
  readonly start: string | undefined;
  readonly end: string | undefined;
  readonly isNamed: boolean;
}

function datesOf(object: JsonObject, startName: string, endName: string): Dates {
  const start = textMember(object, startName);
  const end = textMember(object, endName);
  return { start, end, isNamed: start !== undefined || end !== undefined };
}

function textMember(object: JsonObject, name: string): string | undefined {
  const value = jsonMember(object, name);
  return typeof value === 'string' ? value : undefined;
}
