// Chooses which of the chains that an authority offers is installed. Runs in claviger. Only a chain
// that passes every check is: the first that leads to the authority the user prefers, else the
// first.

import type { X509Certificate } from 'node:crypto';
import { printable } from '../../lib/printable.js';
import { CertificateError, parseChain, type Chain } from './certificate-chain.js';
import { assertChain, type Expectation } from './verify.js';

interface ChainWish {
  readonly expected: Expectation;
  /** Common name of the authority that the chain is to lead to; undefined: the server's choice. */
  readonly preferred: string | undefined;
  report(line: string): void;
}

/**
 * Takes the first chain that fits; the others are fetched only while none does.
 * @param chains PEM, the server's own choice first
 * @throws CertificateError with the problem of the first when none can be used
 */
export async function chooseChain(chains: AsyncIterable<string>, wish: ChainWish): Promise<Chain> {
  const problems: CertificateError[] = [];
  let fallback: Chain | undefined;
  for await (const pem of chains) {
    const chain = readSoundChain(pem, wish.expected);
    if (chain instanceof CertificateError) {
      problems.push(chain);
    } else if (wish.preferred === undefined || leadsTo(chain, wish.preferred)) {
      return chain;
    } else {
      fallback ??= chain;
    }
  }
  if (fallback !== undefined) {
    const name = JSON.stringify(printable(wish.preferred ?? '', 200));
    wish.report(`no chain that can be used leads to ${name}; the first of the others is taken`);
    return fallback;
  }
  const [first, ...others] = problems;
  throw describeAll(first, others);
}

function readSoundChain(pem: string, expected: Expectation): Chain | CertificateError {
  try {
    const chain = parseChain(pem);
    assertChain(chain, expected);
    return chain;
  } catch (error) {
    if (error instanceof CertificateError) {
      return error;
    }
    throw error;
  }
}

/** True when the last certificate is the one of that authority, or issued by it. */
function leadsTo(chain: Chain, name: string): boolean {
  const top = chain.at(-1) ?? chain[0];
  return [issuerName(top), chain.length > 1 ? subjectName(top) : undefined].includes(name);
}

function issuerName({ issuer }: X509Certificate): string | undefined {
  return commonName(issuer);
}

function subjectName({ subject }: X509Certificate): string | undefined {
  return commonName(subject);
}

/**
 * @param name as Node writes it, an attribute a line; undefined when it is empty, whatever the
 *   types say
 */
function commonName(name: string | undefined): string | undefined {
  return /^CN=(.*)$/m.exec(name ?? '')?.[1];
}

function describeAll(
  first: CertificateError | undefined,
  others: readonly CertificateError[],
): CertificateError {
  if (first === undefined) {
    return new CertificateError('the server sent no chain');
  }
  const count = others.length;
  const more = count === 0 ? '' : `; nor can ${count} other chain${count === 1 ? '' : 's'} be used`;
  return new CertificateError(`${first.problem}${more}`, { hint: first.hint, cause: first });
}
