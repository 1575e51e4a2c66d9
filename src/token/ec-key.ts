// Pure; runs in the token helper. CKA_EC_PARAMS and CKA_EC_POINT to a JWK.
// Distrusts both: they come from the token, and modules disagree about how to wrap a point.

import { AppError } from '../lib/errors.js';
import type { EcCurve } from '../jose/algorithms.js';
import type { EcPublicJwk } from '../jose/public-jwk.js';

interface CurveFacts {
  readonly curve: EcCurve;
  /** DER of the curve's object identifier, what CKA_EC_PARAMS holds for a named curve. */
  readonly oid: Buffer;
  readonly fieldBytes: number;
}

const UNCOMPRESSED = 0x04;
const OCTET_STRING = 0x04;

const CURVES: readonly CurveFacts[] = [
  { curve: 'P-256', oid: Buffer.from('06082a8648ce3d030107', 'hex'), fieldBytes: 32 },
  { curve: 'P-384', oid: Buffer.from('06052b81040022', 'hex'), fieldBytes: 48 },
  { curve: 'P-521', oid: Buffer.from('06052b81040023', 'hex'), fieldBytes: 66 },
];

/** What CKA_EC_PARAMS has to hold for this curve. */
export function paramsOfCurve(curve: EcCurve): Buffer {
  const facts = CURVES.find((candidate) => candidate.curve === curve);
  if (facts === undefined) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: curve ${curve} is not supported`);
  }
  return facts.oid;
}

/**
 * The JWK of an EC public key. CKA_EC_POINT is a DER OCTET STRING up to PKCS#11 2.40 and the bare
 * point in some 3.x modules; which of them it is shows in its length alone, as both start with 04.
 * @throws AppError TOKEN_KEY_UNSUPPORTED
 */
export function ecJwkOf(params: Buffer, point: Buffer): EcPublicJwk {
  const facts = CURVES.find(({ oid }) => oid.equals(params));
  if (facts === undefined) {
    throw new AppError(
      'TOKEN_KEY_UNSUPPORTED',
      `key: curve with parameters ${params.subarray(0, 32).toString('hex')} is not supported`,
      { hint: 'use P-256, P-384 or P-521' },
    );
  }
  const { curve, fieldBytes } = facts;
  const bare = barePoint(point, 1 + 2 * fieldBytes);
  if (bare?.[0] !== UNCOMPRESSED) {
    throw new AppError(
      'TOKEN_KEY_UNSUPPORTED',
      `key: CKA_EC_POINT is malformed: ${point.length} bytes for ${curve}`,
    );
  }
  return {
    crv: curve,
    kty: 'EC',
    x: bare.subarray(1, 1 + fieldBytes).toString('base64url'),
    y: bare.subarray(1 + fieldBytes).toString('base64url'),
  };
}

function barePoint(point: Buffer, pointBytes: number): Buffer | undefined {
  if (point.length === pointBytes) {
    return point;
  }
  // DER: lengths over 127 (P-521: 133) take the long form, 81 LL.
  const header = pointBytes < 0x80 ? [OCTET_STRING, pointBytes] : [OCTET_STRING, 0x81, pointBytes];
  const wrapped =
    point.length === header.length + pointBytes &&
    point.subarray(0, header.length).equals(Buffer.from(header));
  return wrapped ? point.subarray(header.length) : undefined;
}
