// The settings of one certificate to a typed value, and what must not be in several of them. Runs
// in claviger. Pure but for the working directory, against which relative paths of the command line
// are resolved.

import { isAbsolute, resolve } from 'node:path';
import type { CertificateEntry, ServerKeyType } from './schema.js';
import { DEFAULT_LISTEN, parseListenAddress, type ListenAddress } from '../listen-address.js';
import type { SettingReader } from '../setting-reader.js';

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
  /** Common name of the authority that the chain is to lead to, where the CA offers several. */
  readonly preferredChain: string | undefined;
}

export type CertificateSettings = CertificateEntry;

/**
 * The certificate of the command line: its files may be relative to the working directory. What is
 * missing is a problem of the options.
 */
export function readRequested(
  reader: SettingReader,
  names: readonly string[],
  settings: CertificateSettings,
): CertificateConfig {
  return readCertificate(reader, names, settings, (key, problem) => {
    reader.refuseOption(key, problem);
  });
}

/**
 * The [[certificate]] sections: a timer has another working directory, so paths are absolute.
 * @param nameProblem why a certificate cannot be for a name; undefined where it can
 */
export function readSections(
  reader: SettingReader,
  sections: readonly CertificateSettings[],
  nameProblem: (name: string) => string | undefined,
): readonly CertificateConfig[] {
  const certificates = sections.map((section, at) => {
    const own = reader.in(`certificate.${at}`);
    const refuseMissing = (key: string, problem: string): void => {
      own.refuse(key, problem);
    };
    const certificate = readCertificate(own, section.names ?? [], section, refuseMissing);
    refuseRelativePaths(own, certificate);
    refuseNames(own, certificate.names, nameProblem);
    return certificate;
  });
  refuseSharedFiles(reader, certificates);
  return certificates;
}

function refuseNames(
  reader: SettingReader,
  names: readonly string[],
  nameProblem: (name: string) => string | undefined,
): void {
  for (const [at, name] of names.entries()) {
    const problem = nameProblem(name);
    if (problem !== undefined) {
      reader.refuse(`names.${at}`, `${JSON.stringify(name)} ${problem}`);
    }
  }
}

function readCertificate(
  reader: SettingReader,
  names: readonly string[],
  settings: CertificateSettings,
  refuseMissing: (key: string, problem: string) => void,
): CertificateConfig {
  if (settings.key === undefined) {
    refuseMissing('key', 'is missing: name the file of the private key');
  }
  if (settings.cert === undefined && settings.fullchain === undefined) {
    refuseMissing('cert', 'is missing, and fullchain too: name a file for the certificate');
  }
  const path = (key: 'key' | 'cert' | 'chain' | 'fullchain' | 'ca-file'): string | undefined =>
    reader.expand(key, settings[key]);
  const config = {
    names,
    key: path('key') ?? '',
    keyType: settings['key-type'],
    cert: path('cert'),
    chain: path('chain'),
    fullchain: path('fullchain'),
    challenge: readChallenge(reader, settings),
    caFile: path('ca-file'),
    preferredChain: settings['preferred-chain'],
  };
  refuseOneFileTwice(reader, config);
  return config;
}

/** Of two settings that name one file the later one is the problem. */
function refuseOneFileTwice(
  reader: SettingReader,
  { key, cert, chain, fullchain }: Pick<CertificateConfig, 'key' | 'cert' | 'chain' | 'fullchain'>,
): void {
  const takenBy = new Map<string, string>();
  for (const [name, path] of Object.entries({ key, cert, chain, fullchain })) {
    if (path === undefined || path === '') {
      continue;
    }
    const other = takenBy.get(resolve(path));
    if (other !== undefined) {
      reader.refuse(
        name,
        `is the file of ${other} too; key, cert, chain and fullchain must differ`,
      );
    }
    takenBy.set(resolve(path), name);
  }
}

function readChallenge(reader: SettingReader, settings: CertificateSettings): ChallengeConfig {
  if (settings.webroot !== undefined) {
    if (settings.listen !== undefined) {
      reader.refuse('listen', 'does not go with webroot: one of them answers the challenges');
    }
    return { kind: 'webroot', directory: reader.expand('webroot', settings.webroot) ?? '' };
  }
  const address = reader.attempt('listen', parseListenAddress(DEFAULT_LISTEN), () =>
    parseListenAddress(settings.listen ?? DEFAULT_LISTEN),
  );
  return { kind: 'listen', address };
}

const OUTPUTS = ['chain', 'cert', 'fullchain'] as const;

/** The files a certificate is written to, in the order in which they are replaced. */
export function outputsOf(
  config: Pick<CertificateConfig, (typeof OUTPUTS)[number]>,
): readonly string[] {
  return OUTPUTS.map((name) => config[name]).filter((path) => path !== undefined);
}

function refuseRelativePaths(
  reader: SettingReader,
  { key, cert, chain, fullchain, caFile, challenge }: CertificateConfig,
): void {
  const webroot = challenge.kind === 'webroot' ? challenge.directory : undefined;
  const paths = { key, cert, chain, fullchain, 'ca-file': caFile, webroot };
  for (const [name, path] of Object.entries(paths)) {
    if (path !== undefined && path !== '' && !isAbsolute(path)) {
      reader.refuse(name, `${JSON.stringify(path)} is not an absolute path`);
    }
  }
}

/**
 * Two certificates in one file would replace one another at every renewal. A key may serve several.
 */
function refuseSharedFiles(
  reader: SettingReader,
  certificates: readonly CertificateConfig[],
): void {
  for (const [at, certificate] of certificates.entries()) {
    for (const [otherAt, other] of certificates.entries()) {
      // A file that is an output of two sections is a problem of the later one; one that is an
      // output here and a key there is a problem of the output, whichever comes first.
      const taken = [other.key, ...(otherAt < at ? outputsOf(other) : [])].filter(Boolean);
      for (const name of at === otherAt ? [] : OUTPUTS) {
        const { [name]: path } = certificate;
        if (path !== undefined && taken.some((file) => resolve(file) === resolve(path))) {
          const key = `certificate.${at}.${name}`;
          reader.refuse(key, `${path} is a file of certificate ${otherAt + 1} too`);
        }
      }
    }
  }
}
