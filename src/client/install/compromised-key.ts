// Renames a server key that was revoked as compromised, so that a new one is made. Runs in
// claviger. The file is never removed: it may be needed to investigate what happened.

import { createPublicKey } from 'node:crypto';
import { link } from 'node:fs/promises';
import type { CertificateConfig } from '../../config/client/certificate.js';
import { KEY_TYPES } from '../../config/client/schema.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { removeFile } from '../../sys/files/atomic-file.js';
import type { ClientContext } from '../acme-access.js';
import { isCompromised } from '../state/revocation-memory.js';
import { openServerKey, readServerKey } from './server-key.js';

const MAX_SET_ASIDE = 100;

/**
 * Renames the certificate's key if it is compromised.
 * @returns the configuration to issue by: the new key has the type of the old one unless another is
 *   configured
 * @throws AppError CLIENT_KEY
 */
export async function withoutCompromisedKey(
  context: Pick<ClientContext, 'state' | 'warn'>,
  certificate: CertificateConfig,
): Promise<CertificateConfig> {
  const { key: path } = certificate;
  const key = await readServerKey(path);
  if (key === undefined || !(await isCompromised(context.state, createPublicKey(key)))) {
    return certificate;
  }
  const { type } = await openServerKey(path, undefined);
  const aside = await setAside(path);
  context.warn(
    `${path}: the key was revoked as compromised; it is in ${aside} now, and a new one is made`,
  );
  const keyType = certificate.keyType ?? KEY_TYPES.find((known) => known === type);
  return { ...certificate, keyType };
}

async function setAside(path: string): Promise<string> {
  for (let count = 1; count <= MAX_SET_ASIDE; count += 1) {
    const aside = count === 1 ? `${path}.compromised` : `${path}.compromised-${count}`;
    try {
      await link(path, aside); // unlike rename(2), link(2) never replaces a file
      await removeFile(path);
      return aside;
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') {
        throw new AppError('CLIENT_KEY', `${path}: cannot be set aside: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
  }
  throw new AppError('CLIENT_KEY', `${path}: cannot be set aside: ${MAX_SET_ASIDE} others are`, {
    hint: `remove those that nobody needs: ${path}.compromised-*`,
  });
}
