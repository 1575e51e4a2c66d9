// The settings of one certificate to a typed value, and what must not be in several of them. Pure but
// for the working directory, from which relative paths of the command line count.

import { isAbsolute, resolve } from 'node:path';
import type { CertificateEntry, ServerKeyType } from './claviger-schema.js';
import type { ValueReader } from './claviger-values.js';
import { DEFAULT_LISTEN, parseListenAddress, type ListenAddress } from './listen-address.js';

export type ChallengeConfig =
  | { readonly kind: 'listen'; readonly address: ListenAddress }
  | { readonly kind: 'webroot'; readonly directory: string };

export interface CertificateConfig {
  /** As the user wrote them. */
  readonly names: readonly string[];
  readonly key: string;
  /** Undefined: whatever an existing key is, P-256 for a new one. */
  readonly keyType: ServerKeyType | undefined;
  readonly cert: string | undefined;
  readonly chain: string | undefined;
  readonly fullchain: string | undefined;
  readonly challenge: ChallengeConfig;
  readonly caFile: string | undefined;
}

export type CertificateSettings = Omit<CertificateEntry, 'names'>;

/** The certificate of the command line: its files may be named from the working directory. */
export function readRequested(
  reader: ValueReader,
  names: readonly string[],
  settings: CertificateSettings,
): CertificateConfig {
  return readCertificate(reader, '', names, settings);
}

/** The [[certificate]] sections: a timer has another working directory, so paths are absolute. */
export function readSections(
  reader: ValueReader,
  sections: readonly (CertificateSettings & { readonly names: readonly string[] })[],
): readonly CertificateConfig[] {
  const certificates = sections.map((section, at) => {
    const prefix = `certificate ${at + 1}: `;
    const certificate = readCertificate(reader, prefix, section.names, section);
    refuseRelativePaths(reader, prefix, certificate);
    return certificate;
  });
  refuseSharedFiles(reader, certificates);
  return certificates;
}

function readCertificate(
  reader: ValueReader,
  prefix: string,
  names: readonly string[],
  settings: CertificateSettings,
): CertificateConfig {
  const path = (key: keyof CertificateSettings): string | undefined =>
    reader.path(prefix + key, settings[key]);
  if (settings.key === undefined) {
    reader.refuse(`${prefix}key is missing: name the file of the private key`);
  }
  if (settings.cert === undefined && settings.fullchain === undefined) {
    reader.refuse(`${prefix}cert or fullchain is missing: name a file for the certificate`);
  }
  const config = {
    names,
    key: path('key') ?? '',
    keyType: settings['key-type'],
    cert: path('cert'),
    chain: path('chain'),
    fullchain: path('fullchain'),
    challenge: readChallenge(reader, prefix, settings),
    caFile: path('ca-file'),
  };
  const files = [config.key, ...outputsOf(config)].filter((file) => file !== '');
  if (new Set(files.map((file) => resolve(file))).size !== files.length) {
    reader.refuse(`${prefix}key, cert, chain and fullchain must be different files`);
  }
  return config;
}

function readChallenge(
  reader: ValueReader,
  prefix: string,
  settings: CertificateSettings,
): ChallengeConfig {
  if (settings.webroot !== undefined) {
    if (settings.listen !== undefined) {
      reader.refuse(`${prefix}listen and webroot exclude one another`);
    }
    const directory = reader.path(`${prefix}webroot`, settings.webroot) ?? '';
    return { kind: 'webroot', directory };
  }
  const fallback: ListenAddress = { host: undefined, port: 80 };
  const address = reader.attempt(`${prefix}listen`, fallback, () =>
    parseListenAddress(settings.listen ?? DEFAULT_LISTEN),
  );
  return { kind: 'listen', address };
}

/** The files a certificate is written to, in the order in which they are replaced. */
export function outputsOf(
  config: Pick<CertificateConfig, 'cert' | 'chain' | 'fullchain'>,
): readonly string[] {
  return [config.chain, config.cert, config.fullchain].filter((path) => path !== undefined);
}

function refuseRelativePaths(
  reader: ValueReader,
  prefix: string,
  { key, cert, chain, fullchain, caFile, challenge }: CertificateConfig,
): void {
  const webroot = challenge.kind === 'webroot' ? challenge.directory : undefined;
  const paths = { key, cert, chain, fullchain, 'ca-file': caFile, webroot };
  for (const [name, path] of Object.entries(paths)) {
    if (path !== undefined && path !== '' && !isAbsolute(path)) {
      reader.refuse(`${prefix}${name}: ${JSON.stringify(path)} is not an absolute path`);
    }
  }
}

/** Two certificates in one file would replace one another at every renewal. A key may serve several. */
function refuseSharedFiles(reader: ValueReader, certificates: readonly CertificateConfig[]): void {
  for (const [at, certificate] of certificates.entries()) {
    for (const [otherAt, other] of certificates.entries()) {
      const outputs = at === otherAt ? [] : outputsOf(certificate);
      // Two outputs are told once, by the later section; an output and a key only here.
      const taken = [other.key, ...(otherAt < at ? outputsOf(other) : [])].filter(Boolean);
      const shared = outputs.find((path) => taken.some((file) => resolve(file) === resolve(path)));
      if (shared !== undefined) {
        reader.refuse(
          `certificate ${at + 1}: ${shared} is a file of certificate ${otherAt + 1} too`,
        );
      }
    }
  }
}
