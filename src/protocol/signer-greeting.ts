// Parses the greeting of a signer: the two lines it sends first. Pure; claviger. What the signer
// says of its key is checked before it is used; private key material is refused.

import { isAlgorithm, type Algorithm } from '../jose/algorithms.js';
import {
  algorithmOfJwk,
  jwkThumbprint,
  parsePublicJwk,
  type PublicJwk,
} from '../jose/public-jwk.js';
import { isBase64Url } from '../lib/base64url.js';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { isJsonObject, jsonMember, type JsonObject } from '../lib/json/json-value.js';
import { textMember, tryParseJson } from './json-line.js';
import { PROTOCOL_VERSION } from './limits.js';

const THUMBPRINT_LENGTH = 43;
const MAX_KEY_ID_LENGTH = 2048;
const MAX_QUOTED = 200;

export interface SignerGreeting {
  readonly algorithm: Algorithm;
  /** Undefined in key-ID-only mode. */
  readonly jwk: PublicJwk | undefined;
  /** RFC 7638, 43 characters. */
  readonly thumbprint: string;
  /** The account URL, if the signer sends it. */
  readonly keyId: string | undefined;
  readonly extensions: ReadonlySet<string>;
}

/**
 * The error for something else than a greeting, most often what a shell prints before it runs the
 * signer.
 * @param beginning the first bytes; the first line of them that is not empty is quoted
 */
export function noGreeting(beginning: Buffer): AppError {
  const [line = ''] = beginning
    .toString('utf8')
    .split(/[\r\n]+/)
    .filter((text) => text.trim() !== '');
  const said = `signer: says ${printable(JSON.stringify(line), MAX_QUOTED)} in place of its greeting`;
  return new AppError('PROTO_GREETING', said, {
    hint: 'is it clavigerd or lacme-accountd that answers there? A shell may print more (.bashrc, /etc/profile.d, a banner), which must be silent for commands: ssh -T HOST clavigerd --stdio says "1 OK" and nothing before it',
  });
}

/**
 * The details on the first line, `1 OK {...}`; undefined when there are none.
 * @throws AppError PROTO_GREETING when the signer speaks something else
 */
export function parseFirstLine(line: Buffer): JsonObject | undefined {
  const match = /^(\d{1,9}) OK(?: (.*))?$/su.exec(line.toString('utf8'));
  if (match === null) {
    throw noGreeting(line);
  }
  if (Number(match[1]) !== PROTOCOL_VERSION) {
    throw new AppError(
      'PROTO_GREETING',
      `signer: speaks protocol version ${match[1] ?? ''}, and claviger speaks ${PROTOCOL_VERSION}`,
    );
  }
  // As in lacme, details that cannot be parsed are treated as absent.
  const extra = tryParseJson(Buffer.from(match[2] ?? '', 'utf8'));
  return isJsonObject(extra) ? extra : undefined;
}

/**
 * The second line: a public JWK, or `{}` in key-ID-only mode.
 * @throws AppError PROTO_GREETING
 */
export function parseJwkLine(line: Buffer): PublicJwk | undefined {
  const value = tryParseJson(line);
  if (!isJsonObject(value)) {
    throw new AppError('PROTO_GREETING', 'signer: the second line of its greeting is no JWK');
  }
  if (Object.keys(value).length === 0) {
    return undefined;
  }
  try {
    return parsePublicJwk(value);
  } catch (error) {
    throw new AppError('PROTO_GREETING', `signer: ${printable(messageOf(error), 200)}`, {
      cause: error,
    });
  }
}

/**
 * The greeting of both lines.
 * @throws AppError PROTO_GREETING where they do not agree
 */
export function readGreeting(
  extra: JsonObject | undefined,
  jwk: PublicJwk | undefined,
): SignerGreeting {
  const keyId = readKeyId(extra);
  if (jwk === undefined && keyId === undefined) {
    throw new AppError('PROTO_GREETING', 'signer: tells neither its public key nor a key ID');
  }
  return {
    algorithm: readAlgorithm(extra, jwk),
    jwk,
    thumbprint: readThumbprint(extra, jwk),
    keyId,
    extensions: readExtensions(extra),
  };
}

function readKeyId(extra: JsonObject | undefined): string | undefined {
  const keyId = textMember(extra, 'kid');
  if (keyId !== undefined && (keyId.length > MAX_KEY_ID_LENGTH || !/^[!-~]+$/.test(keyId))) {
    throw new AppError('PROTO_GREETING', 'signer: its key ID is not a URL');
  }
  return keyId;
}

function readAlgorithm(extra: JsonObject | undefined, jwk: PublicJwk | undefined): Algorithm {
  const ofKey = jwk === undefined ? undefined : algorithmOfJwk(jwk);
  // Versions of lacme-accountd that do not send "alg" sign with RS256.
  const algorithm = textMember(extra, 'alg') ?? ofKey ?? 'RS256';
  if (!isAlgorithm(algorithm)) {
    throw new AppError(
      'PROTO_GREETING',
      `signer: its algorithm ${JSON.stringify(printable(algorithm, 50))} is not supported`,
    );
  }
  if (ofKey !== undefined && ofKey !== algorithm) {
    throw new AppError('PROTO_GREETING', `signer: its key cannot be used with ${algorithm}`);
  }
  return algorithm;
}

function readThumbprint(extra: JsonObject | undefined, jwk: PublicJwk | undefined): string {
  const sent = textMember(extra, 'jwk-thumbprint');
  const computed = jwk === undefined ? undefined : jwkThumbprint(jwk);
  const thumbprint = computed ?? sent;
  if (thumbprint === undefined) {
    throw new AppError('PROTO_GREETING', 'signer: tells neither its public key nor its thumbprint');
  }
  const isOne = thumbprint.length === THUMBPRINT_LENGTH && isBase64Url(thumbprint);
  if (!isOne || (sent !== undefined && sent !== thumbprint)) {
    throw new AppError('PROTO_GREETING', 'signer: its thumbprint is not that of its key');
  }
  return thumbprint;
}

function readExtensions(extra: JsonObject | undefined): ReadonlySet<string> {
  const list = extra === undefined ? undefined : jsonMember(extra, 'extensions');
  const names = Array.isArray(list) ? list : [];
  return new Set(names.filter((name) => typeof name === 'string'));
}
