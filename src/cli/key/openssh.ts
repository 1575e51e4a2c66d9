// A public key as OpenSSH writes it in authorized_keys: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4.
// Pure.

import type { PublicJwk } from '../../jose/public-jwk.js';

const SSH_CURVES: ReadonlyMap<string, string> = new Map([
  ['P-256', 'nistp256'],
  ['P-384', 'nistp384'],
  ['P-521', 'nistp521'],
]);
const UNCOMPRESSED = Buffer.of(0x04);

/** `TYPE BASE64`, without a comment; undefined for Ed448, which OpenSSH does not know. */
export function formatOpenSshKey(jwk: PublicJwk): string | undefined {
  const parts = partsOf(jwk);
  if (parts === undefined) {
    return undefined;
  }
  const blob = Buffer.concat(parts.map(sshString));
  return `${parts[0].toString('latin1')} ${blob.toString('base64')}`;
}

function partsOf(jwk: PublicJwk): readonly [Buffer, ...Buffer[]] | undefined {
  switch (jwk.kty) {
    case 'RSA':
      return [Buffer.from('ssh-rsa'), positiveInteger(bytes(jwk.e)), positiveInteger(bytes(jwk.n))];
    case 'EC': {
      const curve = SSH_CURVES.get(jwk.crv) ?? '';
      const point = Buffer.concat([UNCOMPRESSED, bytes(jwk.x), bytes(jwk.y)]);
      return [Buffer.from(`ecdsa-sha2-${curve}`), Buffer.from(curve), point];
    }
    case 'OKP':
      return jwk.crv === 'Ed25519' ? [Buffer.from('ssh-ed25519'), bytes(jwk.x)] : undefined;
  }
}

function bytes(base64Url: string): Buffer {
  return Buffer.from(base64Url, 'base64url');
}

/** RFC 4251 §5, mpint: a zero byte goes before a first byte whose high bit is set. */
function positiveInteger(magnitude: Buffer): Buffer {
  return (magnitude[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude;
}

function sshString(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}
