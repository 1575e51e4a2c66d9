// What a certificate is for: a DNS name (RFC 8555 §9.7.7) or an IP address (RFC 8738). Pure.

import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

export interface Identifier {
  readonly type: 'dns' | 'ip';
  /** A-labels in lower case without a final dot; IPv6 in the form of RFC 5952. */
  readonly value: string;
}

const MAX_NAME_LENGTH = 253;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * A name as users write it: `Bücher.example`, `192.0.2.7`, `2001:db8::7`.
 * @throws AppError CONFIG_USAGE saying why it can be none
 */
export function parseIdentifier(text: string): Identifier {
  // isIP takes fe80::1%eth0 too; an address of one link only proves nothing to anybody.
  const version = text.includes('%') ? 0 : isIP(text);
  if (version !== 0) {
    return { type: 'ip', value: version === 6 ? compressIpv6(text) : text };
  }
  if (text.startsWith('*.')) {
    throw badName(text, 'is a wildcard', 'http-01 cannot prove a wildcard: name each host');
  }
  if (/[^\p{L}\p{M}\p{N}.\u3002_-]/u.test(text)) {
    throw badName(text, 'is neither a domain name nor an IP address');
  }
  // UTS 46; an empty string means that it is not a domain name.
  const name = domainToASCII(text).replace(/\.$/, '');
  const labels = name.split('.');
  if (name.length > MAX_NAME_LENGTH || !labels.every((label) => LABEL.test(label))) {
    throw badName(text, 'is not a valid domain name');
  }
  if (labels.length < 2 || isIP(name) !== 0) {
    throw badName(text, 'is not a fully qualified domain name');
  }
  return { type: 'dns', value: name };
}

/** The names of one certificate: parsed, without repetitions, in the order given. */
export function parseIdentifiers(texts: readonly string[]): readonly Identifier[] {
  const byValue = new Map(texts.map(parseIdentifier).map((entry) => [entry.value, entry]));
  return [...byValue.values()];
}

/** RFC 5952, which RFC 8738 §3 wants, as the URL parser writes it. */
export function compressIpv6(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** True when both lists name the same things, in whatever order and however often. */
export function isSameIdentifierSet(
  left: readonly { readonly type: string; readonly value: string }[],
  right: readonly { readonly type: string; readonly value: string }[],
): boolean {
  const spell = (list: typeof left): string =>
    [...new Set(list.map(({ type, value }) => `${type}:${value.toLowerCase()}`))].sort().join(' ');
  return spell(left) === spell(right);
}

function badName(text: string, problem: string, hint?: string): AppError {
  return new AppError('CONFIG_USAGE', `name: ${JSON.stringify(printable(text, 300))} ${problem}`, {
    hint,
  });
}
