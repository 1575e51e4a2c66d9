// A daemon with an honest client's listener and others whose clients mean harm, in front of one
// token that is as slow as a test wants, and the requests that cost the most. Used by test
// processes only.

import { makeCsrDer, makeSubjectKey } from '../requests/certificate-request.js';
import { makeSectionBed, startInBed } from '../daemon/daemon-sections.js';
import { createFaultyToken, type FaultyToken } from '../modules/fault-module.js';
import type { RunningProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { formatSigningInput } from '../requests/signing-request.js';

const SECTIONS = `
[policy.reader]
operations = ["read"]

[policy.web]
operations = ["read", "new-order", "finalize"]
identifiers = ["*.example.org"]

[[listen]]
socket = "@/reader"
policy = "reader"

[[listen]]
socket = "@/web"
policy = "web"

[[listen]]
socket = "@/honest"
policy = "web"
`;

export interface HostileBed {
  readonly daemon: RunningProcess;
  readonly token: FaultyToken;
  readonly logfile: string;
  /** Its clients may `read` and nothing else. */
  readonly reader: string;
  /** Its clients may order and finalize. */
  readonly web: string;
  readonly honest: string;
}

/** @param settings at the top of the file, as TOML */
export async function makeHostileBed(scope: Scope, settings = ''): Promise<HostileBed> {
  const token = await createFaultyToken(scope);
  const top = `privkey = ${JSON.stringify(token.uri)}\n${settings}\n`;
  const bed = await makeSectionBed(scope, `${top}${SECTIONS}`);
  const [reader, web, honest] = [bed.path('reader'), bed.path('web'), bed.path('honest')];
  const waitFor = { socket: honest };
  const daemon = await startInBed(scope, bed, { waitFor, env: token.hsm.env });
  return { daemon, token, logfile: bed.logfile, reader, web, honest };
}

export interface HostileLines {
  readonly read: string;
  /** With a CSR of a P-521 key, whose signature takes a millisecond to verify. */
  readonly finalize: string;
  /** Of nearly 32 KiB. */
  readonly order: string;
}

/** @param folder for openssl's files */
export async function makeHostileLines(folder: string): Promise<HostileLines> {
  const line = (payload?: Readonly<Record<string, unknown>>): string =>
    formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/acct/1',
      url: 'https://ca.example/order/1',
      ...(payload && { payload }),
    });
  const csr = await makeCsrDer(folder, makeSubjectKey('P-521'), {
    alternatives: ['DNS:www.example.org'],
  });
  const identifiers = Array.from({ length: 500 }, (_, at) => ({
    type: 'dns',
    value: `n${at}.example.org`,
  }));
  return {
    read: line(),
    finalize: line({ csr: csr.toString('base64url') }),
    order: line({ identifiers }),
  };
}

/** So many lines, after the word that has refusals told. */
export function linesOf(line: string, count: number): Buffer {
  return Buffer.from(`!errors\r\n${`${line}\r\n`.repeat(count)}`);
}
