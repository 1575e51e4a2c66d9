// The files of one certificate: read for renewal, written after issuing. Client's master.

import type { X509Certificate } from 'node:crypto';
import type { CertificateConfig } from '../config/claviger-certificate.js';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import type { NewFile } from '../sys/atomic-file.js';
import { readBoundedFile } from './bounded-file.js';
import { formatCertificates, parseCertificates, type Chain } from './certificate-chain.js';

const PUBLIC_MODE = 0o644;
const MAX_CERTIFICATE_FILE_BYTES = 1024 * 1024;

/** The certificates in each configured file; undefined for a file that is not there, or is none. */
export interface InstalledFiles {
  readonly cert: readonly X509Certificate[] | undefined;
  readonly chain: readonly X509Certificate[] | undefined;
  readonly fullchain: readonly X509Certificate[] | undefined;
}

/**
 * Reads what is installed now.
 * @throws AppError CLIENT_CERTIFICATE when a file is there and cannot be read
 */
export async function readInstalled(config: CertificateConfig): Promise<InstalledFiles> {
  const [cert, chain, fullchain] = await Promise.all(
    [config.cert, config.chain, config.fullchain].map(readCertificatesIn),
  );
  return { cert, chain, fullchain };
}

async function readCertificatesIn(
  path: string | undefined,
): Promise<readonly X509Certificate[] | undefined> {
  if (path === undefined) {
    return undefined;
  }
  try {
    return parseCertificates((await readCertificateFile(path)).toString('latin1'));
  } catch (error) {
    const isMissing = error instanceof AppError && systemCodeOf(error.cause) === 'ENOENT';
    const isGarbage = error instanceof AppError && error.message.startsWith('certificate: ');
    if (isMissing || isGarbage) {
      return undefined;
    }
    throw error;
  }
}

/** @throws AppError CLIENT_CERTIFICATE */
export async function readCertificateFile(path: string): Promise<Buffer> {
  try {
    return await readBoundedFile(path, MAX_CERTIFICATE_FILE_BYTES);
  } catch (error) {
    throw new AppError('CLIENT_CERTIFICATE', `${path}: ${messageOf(error)}`, { cause: error });
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
