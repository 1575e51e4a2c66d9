// Pure; runs in the token helper: CKA_EC_PARAMS and CKA_EC_POINT to a JWK, for Weierstrass and
// Edwards curves. Does not trust either: both come from the token, and modules encode points
// differently.

import { AppError } from '../lib/errors.js';
import type { EcCurve } from '../jose/algorithms.js';
import type { EcPublicJwk, OkpPublicJwk } from '../jose/public-jwk.js';

export type TokenCurve = EcCurve | OkpPublicJwk['crv'];

interface CurveFacts {
  readonly curve: TokenCurve;
  /** The values of CKA_EC_PARAMS, in DER; keys are generated with the first one. */
  readonly params: readonly Buffer[];
  /** Bytes of one coordinate; an Edwards point has one only. */
  readonly fieldBytes: number;
}

const UNCOMPRESSED = 0x04;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const PRINTABLE_STRING = 0x13;

const CURVES: readonly CurveFacts[] = [
  { curve: 'P-256', params: [der('06082a8648ce3d030107')], fieldBytes: 32 },
  { curve: 'P-384', params: [der('06052b81040022')], fieldBytes: 48 },
  { curve: 'P-521', params: [der('06052b81040023')], fieldBytes: 66 },
  {
    curve: 'Ed25519',
    // RFC 8410 §3; PKCS#11 3.0 §2.3.5 also allows the name; OpenPGP cards have an identifier of
    // their own.
    params: [der('06032b6570'), curveName('edwards25519'), der('06092b06010401da470f01')],
    fieldBytes: 32,
  },
  { curve: 'Ed448', params: [der('06032b6571'), curveName('edwards448')], fieldBytes: 57 },
];

function der(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

function curveName(name: string): Buffer {
  return Buffer.concat([Buffer.of(PRINTABLE_STRING, name.length), Buffer.from(name, 'latin1')]);
}

/** CKA_EC_PARAMS for a new key on this curve. */
export function paramsOfCurve(curve: TokenCurve): Buffer {
  const params = CURVES.find((candidate) => candidate.curve === curve)?.params[0];
  if (params === undefined) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: curve ${curve} is not supported`);
  }
  return params;
}

/**
 * The JWK of an EC or Edwards public key. CKA_EC_POINT is a DER string up to PKCS#11 2.40 and the
 * bare point in some 3.x modules. They differ reliably in length alone: both may start with 04.
 * @throws AppError TOKEN_KEY_UNSUPPORTED
 */
export function ecJwkOf(params: Buffer, point: Buffer): EcPublicJwk | OkpPublicJwk {
  const facts = CURVES.find((candidate) => candidate.params.some((known) => known.equals(params)));
  if (facts === undefined) {
    throw new AppError(
      'TOKEN_KEY_UNSUPPORTED',
      `key: curve with parameters ${params.subarray(0, 32).toString('hex')} is not supported`,
      { hint: 'use P-256, P-384, P-521, Ed25519 or Ed448' },
    );
  }
  const { curve, fieldBytes } = facts;
  if (curve === 'Ed25519' || curve === 'Ed448') {
    const bare = barePoint(point, fieldBytes) ?? bitString(point, fieldBytes);
    if (bare === undefined) {
      throw malformed(point, curve);
    }
    return { crv: curve, kty: 'OKP', x: bare.toString('base64url') };
  }
  const bare = barePoint(point, 1 + 2 * fieldBytes);
  if (bare?.[0] !== UNCOMPRESSED) {
    throw malformed(point, curve);
  }
  return {
    crv: curve,
    kty: 'EC',
    x: bare.subarray(1, 1 + fieldBytes).toString('base64url'),
    y: bare.subarray(1 + fieldBytes).toString('base64url'),
  };
}

function malformed(point: Buffer, curve: TokenCurve): AppError {
  return new AppError(
    'TOKEN_KEY_UNSUPPORTED',
    `key: CKA_EC_POINT is malformed: ${point.length} bytes for ${curve}`,
  );
}

function barePoint(point: Buffer, pointBytes: number): Buffer | undefined {
  if (point.length === pointBytes) {
    return point;
  }
  // DER: lengths over 127 (P-521: 133) take the long form, 81 LL.
  const header = pointBytes < 0x80 ? [OCTET_STRING, pointBytes] : [OCTET_STRING, 0x81, pointBytes];
  return afterHeader(point, header, pointBytes);
}

/** How some modules read "DER-encoding of the b-bit public key" of PKCS#11 3.0 §2.3.5. */
function bitString(point: Buffer, pointBytes: number): Buffer | undefined {
  return afterHeader(point, [BIT_STRING, pointBytes + 1, 0], pointBytes);
}

function afterHeader(
  bytes: Buffer,
  header: readonly number[],
  bodyBytes: number,
): Buffer | undefined {
  const fits =
    bytes.length === header.length + bodyBytes &&
    bytes.subarray(0, header.length).equals(Buffer.from(header));
  return fits ? bytes.subarray(header.length) : undefined;
}
