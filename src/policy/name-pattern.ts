// Patterns of names in policies. Pure; clavigerd and `clavigerd policy`. `www.example.org` matches
// that name; `*.example.org` every name exactly one label below, and the wildcard `*.example.org`;
// `**.example.org` names at any depth below, wildcards included, but not example.org; `**` every
// DNS name; `192.0.2.7`, `192.0.2.0/24` and `2001:db8::/32` addresses. The administrator writes
// patterns, so U-labels and capitals are allowed; whatever could match something unexpected is
// refused.

import { domainToASCII, domainToUnicode } from 'node:url';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { isMappedIpv4, labelProblem, parseIp, type DnsName, type Name } from './names.js';

interface DnsPattern {
  readonly kind: 'name' | 'one-below' | 'any-below';
  readonly text: string;
  /** A-labels in lower case, no final dot. */
  readonly base: string;
}

interface IpPattern {
  readonly kind: 'prefix';
  readonly text: string;
  readonly version: 4 | 6;
  /** The address shifted right by `hostBits`. */
  readonly prefix: bigint;
  readonly hostBits: bigint;
}

export type NamePattern = DnsPattern | IpPattern | { readonly kind: 'any'; readonly text: string };

const MAX_PATTERN_LENGTH = 300;

/**
 * Parses a pattern.
 * @throws AppError POLICY_INVALID with the reason why the text is not a pattern
 */
export function parseNamePattern(text: string): NamePattern {
  if (text === '**') {
    return { kind: 'any', text };
  }
  if (text.includes('/') || parseIp(text) !== undefined) {
    return parsePrefix(text);
  }
  const [, stars = '', rest = ''] = /^(\*{0,2})(.*)$/s.exec(text) ?? [];
  if (stars === '') {
    return { kind: 'name', text, base: asciiBase(text, rest) };
  }
  if (!rest.startsWith('.')) {
    throw invalid(text, 'has a * that is no label of its own');
  }
  const kind = stars === '*' ? 'one-below' : 'any-below';
  return { kind, text, base: asciiBase(text, rest.slice(1)) };
}

/**
 * True when a pattern of `identifiers` matches the name. Whether wildcards are allowed at all is
 * another setting.
 */
export function allowsName(pattern: NamePattern, name: Name): boolean {
  if (pattern.kind === 'prefix') {
    return (
      name.type === 'ip' &&
      name.version === pattern.version &&
      name.bits >> pattern.hostBits === pattern.prefix
    );
  }
  return name.type === 'dns' && (pattern.kind === 'any' || allowsDnsName(pattern, name));
}

/**
 * True when a pattern of `deny.identifiers` refuses the name: when it matches, and for a wildcard
 * that would cover the name in the pattern.
 */
export function deniesName(pattern: NamePattern, name: Name): boolean {
  const covers =
    pattern.kind === 'name' &&
    name.type === 'dns' &&
    name.isWildcard &&
    parentOf(pattern.base) === name.base; // RFC 6125 §6.4.3: a wildcard stands for one label
  return covers || allowsName(pattern, name);
}

function allowsDnsName({ kind, base }: DnsPattern, name: DnsName): boolean {
  switch (kind) {
    case 'name':
      return !name.isWildcard && name.base === base;
    case 'one-below':
      return (name.isWildcard ? name.base : parentOf(name.base)) === base;
    case 'any-below':
      return name.base.endsWith(`.${base}`) || (name.isWildcard && name.base === base);
  }
}

/** The name without its first label; undefined for a single label. */
function parentOf(base: string): string | undefined {
  const dot = base.indexOf('.');
  return dot === -1 ? undefined : base.slice(dot + 1);
}

function parsePrefix(text: string): IpPattern {
  const [, address = '', digits] = /^([^/]*)(?:\/(0|[1-9][0-9]{0,2}))?$/s.exec(text) ?? [];
  const ip = parseIp(address);
  if (ip === undefined) {
    throw invalid(text, 'is not an IP prefix such as 192.0.2.0/24');
  }
  const width = ip.version === 4 ? 32 : 128;
  const length = digits === undefined ? width : Number(digits);
  if (length > width) {
    throw invalid(text, `is longer than /${width}`);
  }
  const hostBits = BigInt(width - length);
  const prefix = ip.bits >> hostBits;
  if (prefix << hostBits !== ip.bits) {
    throw invalid(text, 'has bits set behind its prefix');
  }
  if (isMappedIpv4(ip) && length >= 96) {
    throw invalid(text, 'is IPv4 inside IPv6, which no request may name: write the IPv4 prefix');
  }
  return { kind: 'prefix', text, version: ip.version, prefix, hostBits };
}

/**
 * The A-labels of a name, RFC 5890. A name that UTS 46 maps to anything but its own lower case is
 * refused: it would match another name than the one that was written.
 */
function asciiBase(text: string, name: string): string {
  const folded = name.normalize('NFC').toLowerCase().replace(/\.$/, '');
  if (text.length > MAX_PATTERN_LENGTH || /[^\p{L}\p{M}\p{N}.-]/u.test(folded)) {
    throw invalid(text, 'is neither a pattern of domain names nor an IP prefix');
  }
  const isAscii = /^[!-~]*$/.test(folded);
  const base = isAscii ? folded : domainToASCII(folded);
  if (!isAscii && (base === '' || domainToUnicode(base) !== folded)) {
    throw invalid(text, 'has characters that do not stand for themselves: write it as A-labels');
  }
  const problem = labelProblem(base);
  if (problem !== undefined || base.length > 253) {
    throw invalid(text, `is no pattern: ${problem ?? 'it is too long'}`);
  }
  return base;
}

function invalid(text: string, problem: string): AppError {
  return new AppError('POLICY_INVALID', `pattern: "${printable(text, 80)}" ${problem}`);
}
