// The client's settings: claviger.toml and the command line to one typed value. Pure.
// Options and settings have the same names; the command line wins over the file.

import {
  readRequested,
  readSections,
  type CertificateConfig,
  type CertificateSettings,
} from './certificate.js';
import { certificateSchema, clavigerSchema, type ClavigerSettings } from './schema.js';
import { ProblemList } from '../problems.js';
import { SettingReader } from '../setting-reader.js';
import type { SpecifierValues } from '../specifiers.js';
import { checkSettings, parseTomlSettings } from '../toml-settings.js';

export const DEFAULT_CLAVIGER_CONFIG_PATH = '%E/claviger/claviger.toml';
export const DEFAULT_SERVER = 'https://acme-v02.api.letsencrypt.org/directory';
export const DEFAULT_SIGNER_SOCKET = '%t/S.claviger';
const DEFAULT_TIMEOUT_S = 300;
/** As systemd/claviger-renew.timer has it. */
const DEFAULT_RENEW_INTERVAL_S = 12 * 3600;
/**
 * Unless systemd names the folder by STATE_DIRECTORY. Not the daemon's: that one belongs to the
 * daemon's user, and root must not believe what another user can write.
 */
const DEFAULT_STATE_DIRECTORY = '%S/claviger-client';

export type SignerConfig =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'command'; readonly words: readonly [string, ...string[]] };

export interface ClavigerConfig {
  /** The ACME directory: https, or http on loopback. */
  readonly server: URL;
  readonly serverCaFile: string | undefined;
  readonly signer: SignerConfig;
  readonly contacts: readonly string[];
  readonly agreeTos: boolean;
  readonly timeoutMs: number;
  /** How long the next run of `renew` is away. */
  readonly renewIntervalMs: number;
  readonly quiet: boolean;
  /** True tells each request, its status and the time it took. */
  readonly debug: boolean;
  /** Where the client remembers things from one run to the next; undefined: nowhere. */
  readonly stateDirectory: string | undefined;
  /** The certificate of `issue`; undefined when no names were given. */
  readonly requested: CertificateConfig | undefined;
  /** The [[certificate]] sections, for `renew`. */
  readonly certificates: readonly CertificateConfig[];
}

export interface ClavigerConfigInput {
  /**
   * Path and text of the configuration file; the text is empty when the default file is missing.
   */
  readonly source: string;
  readonly text: string;
  /** Options under the names the settings have in the file. */
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** The names on the command line of `issue`. */
  readonly names?: readonly string[] | undefined;
  readonly specifiers: SpecifierValues;
  /** The folder systemd made for the service, STATE_DIRECTORY. */
  readonly stateDirectory?: string | undefined;
}

/**
 * Reads the client's configuration.
 * @throws AppError CONFIG_INVALID listing every problem, a line each.
 */
export function parseClavigerConfig(input: ClavigerConfigInput): ClavigerConfig {
  const problems = new ProblemList(input.source, input.text);
  const given = new Set(Object.keys(input.commandLine));
  const reader = new SettingReader(problems, input.specifiers, given);
  const file = parseTomlSettings(input.source, input.text, clavigerSchema, problems);
  const settings = overrideSettings(file, readCommandLine(input.commandLine, problems));
  const config: ClavigerConfig = {
    server: new URL(settings.server ?? DEFAULT_SERVER),
    serverCaFile: reader.expand('server-ca-file', settings['server-ca-file']),
    signer: readSigner(reader, settings),
    contacts: settings.contact ?? [],
    agreeTos: settings['agree-tos'] ?? false,
    timeoutMs: (settings.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
    renewIntervalMs: (settings['renew-interval'] ?? DEFAULT_RENEW_INTERVAL_S) * 1000,
    quiet: settings.quiet ?? false,
    debug: settings.debug ?? false,
    stateDirectory: readStateDirectory(reader, input, settings['state-directory']),
    requested: input.names === undefined ? undefined : readRequested(reader, input.names, settings),
    certificates: readSections(
      reader,
      (settings.certificate ?? []).map((section, at) => {
        const own = reader.in(`certificate.${at}`);
        if (section['names'] === undefined) {
          own.refuse('names', 'is missing: name the hosts that the certificate is for');
        }
        return inheritDefaults(settings, own.check(section, certificateSchema));
      }),
    ),
  };
  problems.throwIfAny();
  return config;
}

/** Options that are wrong are told as what they are, and are no reason to miss the others. */
function readCommandLine(
  options: Readonly<Record<string, unknown>>,
  problems: ProblemList,
): ClavigerSettings {
  return checkSettings(options, clavigerSchema, ({ setting, problem }) => {
    problems.add({ key: setting, problem, isOption: true });
  });
}

/**
 * Of two settings that exclude one another, one on the command line drops the other of the file.
 */
function overrideSettings(file: ClavigerSettings, line: ClavigerSettings): ClavigerSettings {
  const { socket, 'signer-command': command, listen, webroot, ...rest } = file;
  const hasSigner = line.socket !== undefined || line['signer-command'] !== undefined;
  const hasChallenge = line.listen !== undefined || line.webroot !== undefined;
  return {
    ...rest,
    ...(hasSigner ? {} : { socket, 'signer-command': command }),
    ...(hasChallenge ? {} : { listen, webroot }),
    ...line,
  };
}

/** Where a section is silent, the top level speaks; paths of keys and certificates never mix. */
function inheritDefaults(
  settings: ClavigerSettings,
  entry: CertificateSettings,
): CertificateSettings {
  const hasChallenge = entry.listen !== undefined || entry.webroot !== undefined;
  return {
    'key-type': settings['key-type'],
    'ca-file': settings['ca-file'],
    'preferred-chain': settings['preferred-chain'],
    ...(hasChallenge ? {} : { listen: settings.listen, webroot: settings.webroot }),
    ...entry,
  };
}

function readStateDirectory(
  reader: SettingReader,
  { stateDirectory, specifiers }: ClavigerConfigInput,
  named: string | undefined,
): string | undefined {
  if (named !== undefined) {
    return reader.path('state-directory', named);
  }
  const hasDefault = specifiers.get('S') !== undefined;
  const fallback = hasDefault ? DEFAULT_STATE_DIRECTORY : undefined;
  return stateDirectory ?? reader.expand('state-directory', fallback);
}

function readSigner(reader: SettingReader, settings: ClavigerSettings): SignerConfig {
  const command = settings['signer-command'];
  if (command === undefined) {
    const path = reader.expand('socket', settings.socket ?? DEFAULT_SIGNER_SOCKET);
    return { kind: 'socket', path: path ?? '' };
  }
  if (settings.socket !== undefined) {
    reader.refuse('socket', 'does not go with signer-command');
  }
  return { kind: 'command', words: reader.expandedCommand('signer-command', command) };
}
