// The certificate files of one certificate: read for renewal, written after issuing. Client's master.

import type { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { CertificateConfig } from '../config/claviger-config.js';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { formatCertificates, parseCertificates, type Chain } from './certificate-chain.js';
import type { NewFile } from '../sys/atomic-file.js';
import { installFiles } from './install.js';

const PUBLIC_MODE = 0o644;
const MAX_CERTIFICATE_FILE_BYTES = 1024 * 1024;

/** The files a certificate is written to, in the order in which they are replaced. */
export function certificatePaths(config: CertificateConfig): readonly string[] {
  return [config.chain, config.cert, config.fullchain].filter((path) => path !== undefined);
}

/**
 * The leaf installed now; undefined when there is none, or what is there is no certificate.
 * @throws AppError CLIENT_CERTIFICATE when the file is there and cannot be read
 */
export async function readInstalledLeaf(
  config: CertificateConfig,
): Promise<X509Certificate | undefined> {
  const path = config.cert ?? config.fullchain ?? '';
  try {
    return parseCertificates((await readCertificateFile(path)).toString('latin1'))[0];
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
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > MAX_CERTIFICATE_FILE_BYTES) {
      throw new Error('is not a certificate file');
    }
    return await readFile(path);
  } catch (error) {
    throw new AppError('CLIENT_CERTIFICATE', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Writes the files that are configured, all or none. */
export async function installChain(config: CertificateConfig, chain: Chain): Promise<void> {
  const [leaf, ...issuers] = chain;
  const contents: readonly (readonly [string | undefined, readonly X509Certificate[]])[] = [
    [config.chain, issuers],
    [config.cert, [leaf]],
    [config.fullchain, chain],
  ];
  const files = contents.flatMap(([path, certificates]): NewFile[] =>
    path === undefined
      ? []
      : [{ path, content: formatCertificates(certificates), mode: PUBLIC_MODE }],
  );
  await installFiles(files);
}
