// The files of one certificate: read for renewal, formatted after issuing. Runs in claviger. Files
// that are damaged are described, not fatal: they are about to be replaced.

import type { X509Certificate } from 'node:crypto';
import type { CertificateConfig } from '../../config/client/certificate.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import type { NewFile } from '../../sys/files/atomic-file.js';
import { pathTrouble } from '../../sys/files/path-trouble.js';
import type { ClientContext } from '../acme-access.js';
import { readBoundedFile } from '../../sys/files/bounded-file.js';
import { formatCertificates, parseCertificates, type Chain } from './certificate-chain.js';

const PUBLIC_MODE = 0o644;
const BEGIN_CERTIFICATE = '-----BEGIN CERTIFICATE-----';
const MAX_CERTIFICATE_FILE_BYTES = 1024 * 1024;

/** The certificates in each configured file; undefined for a file that is missing or damaged. */
export interface InstalledFiles {
  readonly cert: readonly X509Certificate[] | undefined;
  readonly chain: readonly X509Certificate[] | undefined;
  readonly fullchain: readonly X509Certificate[] | undefined;
  /** `PATH: problem` for each file that exists and is no certificate file, or a damaged one. */
  readonly damage: readonly string[];
}

/**
 * Reads what is installed now.
 * @throws AppError CLIENT_CERTIFICATE when a file exists and cannot be read
 */
export async function readInstalled(
  config: Pick<CertificateConfig, 'cert' | 'chain' | 'fullchain'>,
): Promise<InstalledFiles> {
  const damage: string[] = [];
  return {
    cert: await readCertificatesIn(config.cert, damage),
    // Empty where the authority issues with its root, without intermediates.
    chain: await readCertificatesIn(config.chain, damage, true),
    fullchain: await readCertificatesIn(config.fullchain, damage),
    damage,
  };
}

async function readCertificatesIn(
  path: string | undefined,
  damage: string[],
  mayBeEmpty = false,
): Promise<readonly X509Certificate[] | undefined> {
  if (path === undefined) {
    return undefined;
  }
  let text: string;
  try {
    text = (await readCertificateFile(path)).toString('latin1');
  } catch (error) {
    if (error instanceof AppError && systemCodeOf(error.cause) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  const problem = damageOf(text, mayBeEmpty);
  if (problem !== undefined) {
    damage.push(`${path}: ${problem}`);
    return undefined;
  }
  return parseCertificates(text);
}

/** Why the text of a certificate file is damaged; undefined when each certificate can be read. */
function damageOf(text: string, mayBeEmpty: boolean): string | undefined {
  const begun = text.split(BEGIN_CERTIFICATE).length - 1;
  try {
    const whole = parseCertificates(text).length;
    if (whole < begun) {
      return whole === 0
        ? 'its certificate is cut short'
        : `only ${whole} of ${begun} certificates are whole`;
    }
  } catch {
    return 'a certificate in it is damaged';
  }
  if (begun > 0 || (mayBeEmpty && text === '')) {
    return undefined;
  }
  return text.trim() === '' ? 'is empty' : 'holds no certificate';
}

/** Warns of damaged files before they are replaced: the cause may need attention. */
export function warnOfDamage(
  context: Pick<ClientContext, 'warn'>,
  installed: InstalledFiles,
): void {
  for (const problem of installed.damage) {
    context.warn(`${problem}, where a certificate is to be`);
  }
}

/** @throws AppError SYS_PATH when it is missing or closed to this user, CLIENT_CERTIFICATE */
export async function readCertificateFile(path: string): Promise<Buffer> {
  try {
    return await readBoundedFile(path, MAX_CERTIFICATE_FILE_BYTES);
  } catch (error) {
    throw systemCodeOf(error) === undefined
      ? new AppError('CLIENT_CERTIFICATE', `${path}: ${messageOf(error)}`, { cause: error })
      : pathTrouble('certificate file', path, error, 'correct the path');
  }
}

/** The files that are configured, with their new contents. */
export function certificateFiles(config: CertificateConfig, chain: Chain): readonly NewFile[] {
  const [leaf, ...issuers] = chain;
  const contents: readonly (readonly [string | undefined, readonly X509Certificate[]])[] = [
    [config.chain, issuers],
    [config.cert, [leaf]],
    [config.fullchain, chain],
  ];
  return contents.flatMap(([path, certificates]): NewFile[] =>
    path === undefined
      ? []
      : [{ path, content: formatCertificates(certificates), mode: PUBLIC_MODE }],
  );
}
