// The client's settings: claviger.toml and the command line to one typed value. Pure; runs in
// claviger. Options and settings have the same names; the command line wins over the file.

import {
  readRequested,
  readSections,
  type CertificateConfig,
  type CertificateSettings,
} from './certificate.js';
import { certificateSchema, clavigerSchema, type ClavigerSettings } from './schema.js';
import { DEFAULT_SOCKET_PATH } from '../default-socket.js';
import { ProblemList } from '../problems.js';
import { SettingReader } from '../setting-reader.js';
import type { SpecifierValues } from '../specifiers.js';
import { inMs } from '../setting-types.js';
import { checkSettings, parseTomlSettings } from '../toml-settings.js';

export const DEFAULT_CLAVIGER_CONFIG_PATH = '%E/claviger/claviger.toml';
const DEFAULT_SERVER = 'https://acme-v02.api.letsencrypt.org/directory';
export const DEFAULT_TIMEOUT_S = 300;
/** As systemd/claviger-renew.timer has it. */
const DEFAULT_RENEW_INTERVAL_S = 12 * 3600;
/**
 * Unless systemd names the folder by STATE_DIRECTORY. Not the daemon's folder: that one belongs to
 * the daemon's user, and root must not trust what another user can write.
 */
export const DEFAULT_CLIENT_STATE_DIRECTORY = '%S/claviger-client';

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
  /** True prints each request, its status and the time it took. */
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
  /** Why a certificate cannot be for a name, as the end of a sentence; undefined where it can. */
  readonly nameProblem: (name: string) => string | undefined;
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
  const settings = overrideSettings(file, readCommandLine(reader, input.commandLine));
  const config: ClavigerConfig = {
    server: new URL(settings.server ?? DEFAULT_SERVER),
    serverCaFile: reader.expand('server-ca-file', settings['server-ca-file']),
    signer: readSigner(reader, settings),
    contacts: settings.contact ?? [],
    agreeTos: settings['agree-tos'] ?? false,
    timeoutMs: inMs(settings.timeout ?? DEFAULT_TIMEOUT_S),
    renewIntervalMs: inMs(settings['renew-interval'] ?? DEFAULT_RENEW_INTERVAL_S),
    quiet: settings.quiet ?? false,
    debug: settings.debug ?? false,
    stateDirectory: reader.stateDirectory({
      named: settings['state-directory'],
      ofService: input.stateDirectory,
      fallback: DEFAULT_CLIENT_STATE_DIRECTORY,
    }),
    requested: input.names === undefined ? undefined : readRequested(reader, input.names, settings),
    certificates: readSections(reader, sectionsOf(reader, settings), input.nameProblem),
  };
  problems.throwIfAny();
  return config;
}

function readCommandLine(
  reader: SettingReader,
  options: Readonly<Record<string, unknown>>,
): ClavigerSettings {
  return checkSettings(options, clavigerSchema, ({ setting, problem }) => {
    reader.refuseOption(setting, problem);
  });
}

/** The [[certificate]] sections with the defaults of the top of the file. */
function sectionsOf(
  reader: SettingReader,
  settings: ClavigerSettings,
): readonly CertificateSettings[] {
  return (settings.certificate ?? []).map((section, at) => {
    const own = reader.in(`certificate.${at}`);
    if (section['names'] === undefined) {
      own.refuse('names', 'is missing: name the hosts that the certificate is for');
    }
    return inheritDefaults(settings, own.check(section, certificateSchema));
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

/** What a section does not set it has from the top, but never the paths of key and certificates. */
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

function readSigner(reader: SettingReader, settings: ClavigerSettings): SignerConfig {
  const command = settings['signer-command'];
  if (command === undefined) {
    const path = reader.expand('socket', settings.socket ?? DEFAULT_SOCKET_PATH);
    return { kind: 'socket', path: path ?? '' };
  }
  if (settings.socket !== undefined) {
    reader.refuse('socket', 'does not go with signer-command');
  }
  return { kind: 'command', words: reader.expandedCommand('signer-command', command) };
}
