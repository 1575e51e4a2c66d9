// The client's settings: claviger.toml and the command line to one typed value. Pure.
// Options and settings have the same names; the command line wins over the file.

import * as v from 'valibot';
import { AppError, messageOf } from '../lib/errors.js';
import {
  clavigerSchema,
  type CertificateEntry,
  type ClavigerSettings,
  type ServerKeyType,
} from './claviger-schema.js';
import { splitCommand } from '../lib/command-words.js';
import { DEFAULT_LISTEN, parseListenAddress, type ListenAddress } from './listen-address.js';
import { ProblemList } from './problems.js';
import { expandSpecifiers, type SpecifierValues } from './specifiers.js';
import { parseTomlSettings } from './toml-settings.js';

export const DEFAULT_CLAVIGER_CONFIG_PATH = '%E/claviger/claviger.toml';
export const DEFAULT_SERVER = 'https://acme-v02.api.letsencrypt.org/directory';
export const DEFAULT_SIGNER_SOCKET = '%t/S.claviger';
const DEFAULT_TIMEOUT_S = 300;

export type SignerConfig =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'command'; readonly words: readonly [string, ...string[]] };

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

export interface ClavigerConfig {
  readonly server: string;
  readonly serverCaFile: string | undefined;
  readonly signer: SignerConfig;
  readonly contacts: readonly string[];
  readonly agreeTos: boolean;
  readonly timeoutMs: number;
  readonly quiet: boolean;
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
}

type Entry = Omit<CertificateEntry, 'names'>;

/**
 * Reads the client's configuration.
 * @throws AppError CONFIG_INVALID listing every problem, a line each.
 */
export function parseClavigerConfig(input: ClavigerConfigInput): ClavigerConfig {
  const reader = new SettingsReader(input);
  const file = reader.file(input);
  const line = reader.commandLine(input.commandLine);
  const settings = overrideSettings(file, line);
  const config: ClavigerConfig = {
    server: settings.server ?? DEFAULT_SERVER,
    serverCaFile: reader.path('server-ca-file', settings['server-ca-file']),
    signer: reader.signer(settings),
    contacts: settings.contact ?? [],
    agreeTos: settings['agree-tos'] ?? false,
    timeoutMs: (settings.timeout ?? DEFAULT_TIMEOUT_S) * 1000,
    quiet: settings.quiet ?? false,
    requested:
      input.names === undefined ? undefined : reader.certificate('', input.names, settings),
    certificates: (settings.certificate ?? []).map((entry, at) =>
      reader.certificate(`certificate ${at + 1}: `, entry.names, inheritDefaults(settings, entry)),
    ),
  };
  reader.throwIfAny();
  return config;
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
function inheritDefaults(settings: ClavigerSettings, entry: CertificateEntry): Entry {
  const hasChallenge = entry.listen !== undefined || entry.webroot !== undefined;
  return {
    'key-type': settings['key-type'],
    'ca-file': settings['ca-file'],
    ...(hasChallenge ? {} : { listen: settings.listen, webroot: settings.webroot }),
    ...entry,
  };
}

/** Turns settings into values and collects what is wrong with them. */
class SettingsReader {
  readonly #problems: ProblemList;
  readonly #specifiers: SpecifierValues;

  constructor(input: ClavigerConfigInput) {
    this.#problems = new ProblemList(input.source, input.text);
    this.#specifiers = input.specifiers;
  }

  throwIfAny(): void {
    this.#problems.throwIfAny();
  }

  file({ source, text }: ClavigerConfigInput): ClavigerSettings {
    return parseTomlSettings(source, text, clavigerSchema, this.#problems);
  }

  commandLine(options: Readonly<Record<string, unknown>>): ClavigerSettings {
    const result = v.safeParse(clavigerSchema, options);
    if (result.success) {
      return result.output;
    }
    for (const issue of result.issues) {
      const option = v.getDotPath(issue) ?? 'option';
      this.#problems.add({ problem: `--${option}: ${issue.message}` });
    }
    return {};
  }

  path(key: string, value: string | undefined): string | undefined {
    return value === undefined
      ? undefined
      : this.#attempt(key, undefined, () => expandSpecifiers(value, this.#specifiers));
  }

  signer(settings: ClavigerSettings): SignerConfig {
    const command = settings['signer-command'];
    if (command === undefined) {
      const path = this.path('socket', settings.socket ?? DEFAULT_SIGNER_SOCKET);
      return { kind: 'socket', path: path ?? '' };
    }
    if (settings.socket !== undefined) {
      this.#problems.add({ problem: 'socket and signer-command exclude one another' });
    }
    const fallback: SignerConfig = { kind: 'socket', path: '' };
    return this.#attempt<SignerConfig>('signer-command', fallback, () => {
      const [program, ...rest] = splitCommand(command);
      const expand = (word: string): string => expandSpecifiers(word, this.#specifiers);
      return { kind: 'command', words: [expand(program), ...rest.map(expand)] };
    });
  }

  certificate(prefix: string, names: readonly string[], entry: Entry): CertificateConfig {
    const path = (key: keyof Entry): string | undefined => this.path(prefix + key, entry[key]);
    if (entry.key === undefined) {
      this.#problems.add({ problem: `${prefix}key is missing: name the file of the private key` });
    }
    if (entry.cert === undefined && entry.fullchain === undefined) {
      this.#problems.add({
        problem: `${prefix}cert or fullchain is missing: name a file for the certificate`,
      });
    }
    const config = {
      names,
      key: path('key') ?? '',
      keyType: entry['key-type'],
      cert: path('cert'),
      chain: path('chain'),
      fullchain: path('fullchain'),
      challenge: this.#challenge(prefix, entry),
      caFile: path('ca-file'),
    };
    this.#refuseSameFile(prefix, [config.key, config.cert, config.chain, config.fullchain]);
    return config;
  }

  #challenge(prefix: string, entry: Entry): ChallengeConfig {
    if (entry.webroot !== undefined) {
      if (entry.listen !== undefined) {
        this.#problems.add({ problem: `${prefix}listen and webroot exclude one another` });
      }
      return { kind: 'webroot', directory: this.path(`${prefix}webroot`, entry.webroot) ?? '' };
    }
    const fallback: ListenAddress = { host: undefined, port: 80 };
    const address = this.#attempt(`${prefix}listen`, fallback, () =>
      parseListenAddress(entry.listen ?? DEFAULT_LISTEN),
    );
    return { kind: 'listen', address };
  }

  #refuseSameFile(prefix: string, paths: readonly (string | undefined)[]): void {
    const named = paths.filter((path) => path !== undefined && path !== '');
    if (new Set(named).size !== named.length) {
      this.#problems.add({
        problem: `${prefix}key, cert, chain and fullchain must be different files`,
      });
    }
  }

  #attempt<T>(key: string, fallback: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const hint = error instanceof AppError && error.hint !== undefined ? ` (${error.hint})` : '';
      this.#problems.add({ problem: `${key}: ${messageOf(error)}${hint}` });
      return fallback;
    }
  }
}
