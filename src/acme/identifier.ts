// What a certificate is for: a DNS name (RFC 8555 §9.7.7) or an IP address (RFC 8738). Pure;
// runs in claviger.

import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { Identifier, ServerIdentifier } from '../x509/identifier.js';

const MAX_NAME_LENGTH = 253;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * A name as users write it: `Bücher.example`, `192.0.2.7`, `2001:db8::7`; or why no certificate can
 * be for it, as the end of a sentence.
 */
function readIdentifier(text: string): ServerIdentifier | NameProblem {
  // isIP takes fe80::1%eth0 too; an address of one link only proves nothing to anybody.
  const version = text.includes('%') ? 0 : isIP(text);
  if (version !== 0) {
    return { type: 'ip', value: version === 6 ? compressIpv6(text) : text };
  }
  if (text.startsWith('*.')) {
    const hint = 'http-01 cannot prove a wildcard: name each host';
    return { problem: 'is a wildcard', hint };
  }
  if (/[^\p{L}\p{M}\p{N}.\u3002_-]/u.test(text)) {
    return { problem: 'is neither a domain name nor an IP address' };
  }
  // UTS 46; an empty string means that it is not a domain name.
  const name = domainToASCII(text).replace(/\.$/, '');
  const labels = name.split('.');
  if (name.length > MAX_NAME_LENGTH || !labels.every((label) => LABEL.test(label))) {
    return { problem: 'is not a valid domain name' };
  }
  if (labels.length < 2 || isIP(name) !== 0) {
    return { problem: 'is not a fully qualified domain name' };
  }
  return { type: 'dns', value: name };
}

interface NameProblem {
  readonly problem: string;
  readonly hint?: string;
}

/** Why no certificate can be for a name, as the end of a sentence; undefined where one can. */
export function nameProblem(text: string): string | undefined {
  const read = readIdentifier(text);
  if (!('problem' in read)) {
    return undefined;
  }
  return read.hint === undefined ? read.problem : `${read.problem} (${read.hint})`;
}

/** @throws AppError CONFIG_USAGE saying why no certificate can be for the name */
function parseIdentifier(text: string): ServerIdentifier {
  const read = readIdentifier(text);
  if ('problem' in read) {
    const shown = JSON.stringify(printable(text, 300));
    throw new AppError('CONFIG_USAGE', `name: ${shown} ${read.problem}`, { hint: read.hint });
  }
  return read;
}

/**
 * The names of one certificate: parsed, without repetitions, in the order given.
 * @throws AppError CONFIG_USAGE saying why no certificate can be for one of them
 */
export function parseIdentifiers(texts: readonly string[]): readonly ServerIdentifier[] {
  const byValue = new Map(texts.map(parseIdentifier).map((entry) => [entry.value, entry]));
  return [...byValue.values()];
}

/** RFC 5952, which RFC 8738 §3 wants, as the URL parser writes it. */
export function compressIpv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** True when both lists name the same things, in whatever order and however often. */
export function isSameIdentifierSet(
  left: readonly Identifier[],
  right: readonly Identifier[],
): boolean {
  const spell = (list: typeof left): string =>
    [...new Set(list.map(({ type, value }) => `${type}:${value.toLowerCase()}`))].sort().join(' ');
  return spell(left) === spell(right);
}
