// Reads the names in requests so that content-checks.ts can judge them: DNS names (RFC 8555 §9.7.7)
// and IP addresses (RFC 8738). Pure; clavigerd and `clavigerd policy`. The client wrote them, and a
// CA reads them with other code: whatever two readers may take for different names is refused.
// Upper case and one final dot are ignored, for no two names differ in them alone.

import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import type { Identifier } from '../x509/identifier.js';

export interface DnsName {
  readonly type: 'dns';
  /** Lower-case labels without the `*.` of a wildcard and without a final dot. */
  readonly base: string;
  readonly isWildcard: boolean;
}

interface IpAddress {
  readonly type: 'ip';
  readonly version: 4 | 6;
  /** The address as a number of 32 or 128 bits. */
  readonly bits: bigint;
}

export type Name = DnsName | IpAddress;

/** A name, or the reason why the text is none. */
type NameReading = { readonly name: Name } | { readonly problem: string };

const MAX_DNS_NAME_LENGTH = 253;
const LDH_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** ::ffff:0:0/96, RFC 4291 §2.5.5.2: IPv4 addresses written as IPv6. */
const MAPPED_IPV4 = 0xffffn;

/** Reads an identifier of a request, a CSR or a certificate. Types are exactly `dns` and `ip`. */
export function readName({ type, value }: Identifier): NameReading {
  switch (type) {
    case 'dns':
      return readDnsName(value);
    case 'ip':
      return readIpAddress(value);
    default:
      return { problem: 'only names of the types dns and ip are allowed' };
  }
}

/** One spelling of a name: `dns:*.example.org`, `ip:6:20010db8...`. */
export function canonicalText(name: Name): string {
  if (name.type === 'dns') {
    return `dns:${name.isWildcard ? '*.' : ''}${name.base}`;
  }
  return `ip:${name.version}:${name.bits.toString(16)}`;
}

function readDnsName(text: string): NameReading {
  if (!isPlainAscii(text)) {
    return {
      problem: 'it is not plain ASCII, and internationalised names stand as A-labels (xn--...)',
    };
  }
  const folded = text.toLowerCase().replace(/\.$/, '');
  const isWildcard = folded.startsWith('*.');
  const base = isWildcard ? folded.slice(2) : folded;
  const problem = folded.length > MAX_DNS_NAME_LENGTH ? 'it is too long' : labelProblem(base);
  return problem === undefined ? { name: { type: 'dns', base, isWildcard } } : { problem };
}

/** Why `base`, in lower case, is not a sequence of labels; undefined when it is. */
export function labelProblem(base: string): string | undefined {
  const labels = base.split('.');
  if (!labels.every((label) => LDH_LABEL.test(label))) {
    return 'it is not a domain name of letters, digits and hyphens';
  }
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) {
    return 'its last label is a number'; // URL parsers read it as an IPv4 address
  }
  if (!labels.every(isLdhOrALabel)) {
    return 'a label that begins with xn-- is no A-label';
  }
  return undefined;
}

/**
 * RFC 5890 §2.3.2.1. A label such as `xn--admin-`, which looks like an A-label and is none, may be
 * decoded to another name by some reader.
 */
function isLdhOrALabel(label: string): boolean {
  if (!label.startsWith('xn--')) {
    return true;
  }
  const decoded = domainToUnicode(label); // empty when it cannot be decoded
  return !isPlainAscii(decoded) && domainToASCII(decoded) === label;
}

function readIpAddress(text: string): NameReading {
  const address = parseIp(text);
  if (address === undefined) {
    return { problem: 'it is not an IP address' };
  }
  if (isMappedIpv4(address)) {
    return { problem: 'it is an IPv4 address inside an IPv6 address' };
  }
  return { name: address };
}

/** An address in any spelling of RFC 4291 §2.2, or in dotted decimals; a zone (`%eth0`) is none. */
export function parseIp(text: string): IpAddress | undefined {
  switch (text.includes('%') ? 0 : isIP(text)) {
    case 4:
      return { type: 'ip', version: 4, bits: joinNumbers(text.split('.').map(Number), 8n) };
    case 6:
      return { type: 'ip', version: 6, bits: ipv6Bits(text) };
    default:
      return undefined;
  }
}

export function isMappedIpv4({ version, bits }: IpAddress): boolean {
  return version === 6 && bits >> 32n === MAPPED_IPV4;
}

function ipv6Bits(text: string): bigint {
  // The URL parser writes groups of hexadecimal digits only, RFC 5952.
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return joinNumbers([...before, ...zeros, ...after], 16n);
}

function joinNumbers(numbers: readonly number[], width: bigint): bigint {
  return numbers.reduce((bits, number) => (bits << width) | BigInt(number), 0n);
}

function isPlainAscii(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
