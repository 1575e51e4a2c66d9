// The openssl program as a second opinion on signatures. Used by test processes only.

import { writeFileSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Algorithm } from '../../../src/jose/algorithms.js';
import { runCommand } from '../process.js';

const HASHES = { RS256: 'sha256', ES256: 'sha256', ES384: 'sha384', ES512: 'sha512' } as const;

interface SignedInput {
  readonly algorithm: Algorithm;
  readonly publicKey: KeyObject;
  readonly input: Buffer;
  /** In JWS form. */
  readonly signature: Buffer;
}

/** True when openssl finds the signature right. @param folder for its files. */
export async function opensslVerifies(folder: string, signed: SignedInput): Promise<boolean> {
  const { algorithm, publicKey, input, signature } = signed;
  const file = (name: string): string => join(folder, name);
  writeFileSync(file('input'), input);
  writeFileSync(file('public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const isRaw = algorithm.startsWith('ES');
  writeFileSync(file('signature'), isRaw ? derOfRaw(signature) : signature);
  const names = ['-sigfile', file('signature'), '-in', file('input')];
  const args =
    algorithm === 'EdDSA'
      ? ['pkeyutl', '-verify', '-pubin', '-inkey', file('public.pem'), '-rawin', ...names]
      : [
          ...['dgst', `-${HASHES[algorithm]}`, '-verify', file('public.pem')],
          ...['-signature', file('signature'), file('input')],
        ];
  const { code, stdout } = await runCommand('openssl', args);
  return code === 0 && /Verified OK|Signature Verified Successfully/.test(stdout);
}

/** r‖s as the DER SEQUENCE of two INTEGERs that openssl reads, RFC 3279 §2.2.3. */
function derOfRaw(raw: Buffer): Buffer {
  const half = raw.length / 2;
  const integers = [raw.subarray(0, half), raw.subarray(half)].map((number) => {
    const start = number.findIndex((byte) => byte !== 0);
    const digits = number.subarray(start);
    const positive = (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]);
    return Buffer.concat([Buffer.of(2, positive.length), positive]);
  });
  const body = Buffer.concat(integers);
  const length = body.length < 0x80 ? [body.length] : [0x81, body.length];
  return Buffer.concat([Buffer.of(0x30, ...length), body]);
}
