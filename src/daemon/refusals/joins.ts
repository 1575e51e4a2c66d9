// Joins refusals of one listener that differ in nothing but client, time and names into one record.
// Pure: the time is a parameter, by the wall clock for what a record shows, by the monotonic clock
// for when it is due. The first of a kind has a record of its own; those that follow within ten
// seconds share one. The client chooses names and number of refused requests, so both are bounded
// here.

import { createHash, type Hash } from 'node:crypto';
import type { AuditEntry } from '../../audit/audit-record.js';
import type { Moment } from '../../lib/clock.js';

/** How long refusals are joined, at most, before their record is due. */
const JOIN_MS = 10_000;
/** Kinds that are joined at the same time; policies have fewer, and one more is not joined. */
const MAX_KINDS = 256;
/** Names on the record of a refusal, or of many. */
export const MAX_REFUSED_NAMES = 50;
/**
 * Characters of different names that are kept in order to count them; when reached, the record is
 * due.
 */
const MAX_NAME_CHARACTERS = 64 * 1024;

/** A refusal with all its names, of which the entry has some. */
export interface Refused {
  readonly entry: AuditEntry;
  readonly names: readonly string[];
}

interface Join {
  /** When it ends, by the monotonic clock; of a kind that nobody joined, when it is forgotten. */
  dueAt: number;
  /** The first that was joined. */
  first: AuditEntry | undefined;
  count: number;
  /** By the wall clock, as is the last. */
  firstAt: number;
  lastAt: number;
  readonly names: Set<string>;
  nameCharacters: number;
  inputs: Hash | undefined;
}

export class RefusalJoins {
  readonly #joins = new Map<string, Join>();

  /**
   * Joins a refusal, if it is not the first of its kind.
   * @returns true when it has to be recorded by itself
   */
  take(refused: Refused, now: Moment): boolean {
    const kind = kindOf(refused.entry);
    const join = this.#joins.get(kind);
    if (join !== undefined) {
      addTo(join, refused, now);
      return false;
    }
    if (this.#joins.size < MAX_KINDS) {
      this.#joins.set(kind, emptyJoin(now));
    }
    return true;
  }

  /**
   * When the next record is due, or a kind to be forgotten, by the monotonic clock; undefined when
   * nothing is open.
   */
  get nextDue(): number | undefined {
    const times = [...this.#joins.values()].map(({ dueAt }) => dueAt);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /**
   * The next record that is due; the kind goes on to be joined. Forgets kinds that have not come
   * again.
   */
  takeDue(now: Moment): AuditEntry | undefined {
    for (const [kind, join] of this.#joins) {
      if (join.dueAt <= now.monotonicMs) {
        this.#joins.delete(kind);
        const entry = entryOf(join);
        if (entry !== undefined) {
          this.#joins.set(kind, emptyJoin(now));
          return entry;
        }
      }
    }
    return undefined;
  }

  /** The records of all that is open; every kind is new then. */
  drain(): readonly AuditEntry[] {
    const entries = [...this.#joins.values()].map((join) => entryOf(join));
    this.#joins.clear();
    return entries.filter((entry) => entry !== undefined);
  }

  /**
   * Forgets a kind whose first refusal could not be recorded: the next one is the first again.
   * @returns how many had been joined to it
   */
  forget({ entry }: Refused): number {
    const kind = kindOf(entry);
    const count = this.#joins.get(kind)?.count ?? 0;
    this.#joins.delete(kind);
    return count;
  }
}

export function kindOf({
  verdict,
  account,
  listener,
  operation,
  unread,
  rule,
  code,
}: AuditEntry): string {
  return JSON.stringify([verdict, account, listener, operation, unread, rule, code]);
}

function emptyJoin({ wallMs, monotonicMs }: Moment): Join {
  return {
    dueAt: monotonicMs + JOIN_MS,
    first: undefined,
    count: 0,
    firstAt: wallMs,
    lastAt: wallMs,
    names: new Set(),
    nameCharacters: 0,
    inputs: undefined,
  };
}

function addTo(join: Join, { entry, names }: Refused, { wallMs, monotonicMs }: Moment): void {
  if (join.first === undefined) {
    join.first = entry;
    join.firstAt = wallMs;
    join.dueAt = monotonicMs + JOIN_MS;
  }
  join.count += 1;
  join.lastAt = wallMs;
  if (entry.sha256 !== undefined) {
    join.inputs ??= createHash('sha256');
    join.inputs.update(entry.sha256, 'hex');
  }
  for (const name of names) {
    if (join.nameCharacters < MAX_NAME_CHARACTERS && !join.names.has(name)) {
      join.names.add(name);
      join.nameCharacters += name.length;
    }
  }
  if (join.nameCharacters >= MAX_NAME_CHARACTERS) {
    join.dueAt = monotonicMs;
  }
}

/** Of one refusal its own record, with its time; undefined of none. */
function entryOf(join: Join): AuditEntry | undefined {
  const { first, count, names } = join;
  if (first === undefined) {
    return undefined;
  }
  const times = {
    count,
    'first-time': new Date(join.firstAt).toISOString(),
    'last-time': new Date(join.lastAt).toISOString(),
  };
  if (count === 1) {
    return { ...first, ...times };
  }
  const { event, verdict, account, listener, policy, operation, unread, rule, code, reason } =
    first;
  return {
    ...{ event, verdict, account, listener, policy, operation, unread, rule, code, reason },
    ...times,
    identifiers: names.size === 0 ? undefined : [...names].slice(0, MAX_REFUSED_NAMES),
    'name-count': names.size === 0 ? undefined : names.size,
    'inputs-sha256': join.inputs?.digest('hex'),
  };
}
