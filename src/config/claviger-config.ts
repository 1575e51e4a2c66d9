// The client's settings: claviger.toml and the command line to one typed value. Pure.
// Options and settings have the same names; the command line wins over the file.

import { isAbsolute } from 'node:path';
import { splitCommand } from '../lib/command-words.js';
import {
  readRequested,
  readSections,
  type CertificateConfig,
  type CertificateSettings,
} from './claviger-certificate.js';
import { clavigerSchema, type CertificateEntry, type ClavigerSettings } from './claviger-schema.js';
import { ValueReader } from './claviger-values.js';
import { ProblemList } from './problems.js';
import type { SpecifierValues } from './specifiers.js';
import { checkSettings, parseTomlSettings } from './toml-settings.js';

export const DEFAULT_CLAVIGER_CONFIG_PATH = '%E/claviger/claviger.toml';
export const DEFAULT_SERVER = 'https://acme-v02.api.letsencrypt.org/directory';
export const DEFAULT_SIGNER_SOCKET = '%t/S.claviger';
const DEFAULT_TIMEOUT_S = 300;
/**
 * Unless systemd names the folder by STATE_DIRECTORY. Not the daemon's: that one belongs to the daemon's user, and
 * root must not believe what another user can write.
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
  readonly quiet: boolean;
  /** Where the client remembers things from one run to the next; undefined: nowhere. */
  readonly stateDirectory: string | undefined;
  /** The certificate of `issue`; undefined when no names were given. */
  readonly requested: CertificateConfig | undefined;
  /** The [[certificate]] sections, for `renew`. */
  readonly certificates: readonly CertificateConfig[];
}

export interface ClavigerConfigInput {
  /** Path and text of the configuration file; the text is empty when the default file is missing. */
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
  const reader = new ValueReader(problems, input.specifiers);
  const file = parseTomlSettings(input.source, input.text, clavigerSchema, problems);
  const settings = overrideSettings(file, readCommandLine(input.commandLine, problems));
  const config: ClavigerConfig = {
    server: new URL(settings.server ?? DEFAULT_SERVER),
    serverCaFile: reader.path('server-ca-file', settings['server-ca-file']),
    signer: readSigner(reader, settings),
    contacts: settings.contact ?? [],
    agreeTos: settings['agree-tos'] ?? false,
    timeoutMs: (settings.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
    quiet: settings.quiet ?? false,
    stateDirectory: readStateDirectory(reader, input, settings['state-directory']),
    requested: input.names === undefined ? undefined : readRequested(reader, input.names, settings),
    certificates: readSections(
      reader,
      (settings.certificate ?? []).map((entry) => inheritDefaults(settings, entry)),
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
    problems.add({ source: 'command line', problem: `--${setting}: ${problem}` });
  });
}

/** Of two settings that exclude one another, one on the command line drops the other of the file. */
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
  entry: CertificateEntry,
): CertificateSettings & { readonly names: readonly string[] } {
  const hasChallenge = entry.listen !== undefined || entry.webroot !== undefined;
  return {
    'key-type': settings['key-type'],
    'ca-file': settings['ca-file'],
    ...(hasChallenge ? {} : { listen: settings.listen, webroot: settings.webroot }),
    ...entry,
  };
}

function readStateDirectory(
  reader: ValueReader,
  { stateDirectory, specifiers }: ClavigerConfigInput,
  named: string | undefined,
): string | undefined {
  if (named === undefined) {
    const hasDefault = specifiers.get('S') !== undefined;
    return stateDirectory ?? (hasDefault ? reader.expand(DEFAULT_STATE_DIRECTORY) : undefined);
  }
  const path = reader.path('state-directory', named);
  if (path !== undefined && !isAbsolute(path)) {
    reader.refuse(`state-directory: ${JSON.stringify(path)} is not an absolute path`);
  }
  return path;
}

function readSigner(reader: ValueReader, settings: ClavigerSettings): SignerConfig {
  const command = settings['signer-command'];
  if (command === undefined) {
    const path = reader.path('socket', settings.socket ?? DEFAULT_SIGNER_SOCKET);
    return { kind: 'socket', path: path ?? '' };
  }
  if (settings.socket !== undefined) {
    reader.refuse('socket and signer-command exclude one another');
  }
  const fallback: SignerConfig = { kind: 'socket', path: '' };
  return reader.attempt<SignerConfig>('signer-command', fallback, () => {
    const [program, ...rest] = splitCommand(command);
    return {
      kind: 'command',
      words: [reader.expand(program), ...rest.map((word) => reader.expand(word))],
    };
  });
}
