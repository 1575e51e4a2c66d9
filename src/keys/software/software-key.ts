// Runs in clavigerd and `clavigerd key`: an account key whose private half is in this process,
// whatever file it is from.

import { createPublicKey, type KeyObject } from 'node:crypto';
import { algorithmOfKey } from '../../jose/algorithms.js';
import { jwkOfKey } from '../../jose/public-jwk.js';
import type { AccountKey } from '../account-key.js';
import { SoftwareSigner } from './software-signer.js';

/**
 * The account key that signs with `privateKey` by node:crypto.
 * @throws AppError JOSE_UNSUPPORTED_KEY
 */
export function softwareAccountKey(privateKey: KeyObject, description: string): AccountKey {
  const algorithm = algorithmOfKey(privateKey);
  const signer = new SoftwareSigner(algorithm, privateKey);
  return {
    algorithm,
    jwk: jwkOfKey(privateKey),
    publicKey: createPublicKey(privateKey),
    description,
    sign: (input, signContext) => signer.sign(input, signContext),
    cancel: (client) => {
      signer.cancel(client);
    },
    close: () => Promise.resolve(),
  };
}
