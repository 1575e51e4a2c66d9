// The daemon's settings: clavigerd.toml and the command line to one typed value. Pure.
// The same names as lacme-accountd's where it has them. The command line wins over the file.

import * as v from 'valibot';
import { splitCommand } from '../lib/command-words.js';
import { AppError, messageOf } from '../lib/errors.js';
import { ProblemList } from './problems.js';
import { expandSpecifiers, type SpecifierValues } from './specifiers.js';
import { parseTomlSettings } from './toml-settings.js';

export const DEFAULT_CONFIG_PATH = '%E/claviger/clavigerd.toml';
export const DEFAULT_SOCKET_PATH = '%t/S.claviger';
export const DEFAULT_GPG_COMMAND = 'gpg --quiet';
export const DEFAULT_PINENTRY_COMMAND = 'pinentry';
/** Unless systemd names the folder by STATE_DIRECTORY. */
export const DEFAULT_STATE_DIRECTORY = '%S/claviger';
const MAX_KEY_PLACES = 8;

const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'));
const printable = v.pipe(text, v.regex(/^[^\p{Cc}]*$/u, 'must not have control characters'));
const seconds = (most: number): v.GenericSchema<number, number> =>
  v.pipe(
    v.number(),
    v.integer('must be a whole number of seconds'),
    v.minValue(1, 'must be at least 1'),
    v.maxValue(most, `must be at most ${most}`),
  );
const count = (most: number): v.GenericSchema<number, number> =>
  v.pipe(
    v.number(),
    v.integer('must be a whole number'),
    v.minValue(1, 'must be at least 1'),
    v.maxValue(most, `must be at most ${most}`),
  );

const DAY_SECONDS = 86_400;

const settingsSchema = v.strictObject({
  privkey: v.optional(
    v.union(
      [printable, v.pipe(v.array(printable), v.minLength(1), v.maxLength(MAX_KEY_PLACES))],
      `expected a string, or 1 to ${MAX_KEY_PLACES} of them in an array, without control characters`,
    ),
  ),
  'pin-source': v.optional(printable),
  pinentry: v.optional(printable),
  'state-directory': v.optional(printable),
  gpg: v.optional(printable),
  'openpgp-key': v.optional(printable),
  socket: v.optional(printable),
  logfile: v.optional(printable),
  keyid: v.optional(v.pipe(v.string(), v.maxLength(2048, 'is too long'))),
  quiet: v.optional(v.boolean()),
  'allow-http-on-loopback': v.optional(v.boolean()),
  helpers: v.optional(count(16)),
  'sign-timeout': v.optional(seconds(3600)),
  'touch-notice': v.optional(seconds(3600)),
  'line-timeout': v.optional(seconds(3600)),
  'idle-timeout': v.optional(seconds(DAY_SECONDS)),
  'max-connections': v.optional(count(10_000)),
  'max-queued-requests': v.optional(count(100_000)),
});

type Settings = v.InferOutput<typeof settingsSchema>;

export interface ClavigerdConfig {
  /** The places the account key is at, in the order in which they are asked. */
  readonly privkeys: readonly string[];
  readonly pinSource: string | undefined;
  /** As it is written, for people; and in words. */
  readonly pinentry: string;
  readonly pinentryCommand: readonly [string, ...string[]];
  /** Where refused PINs are noted; made when something is written to it. */
  readonly stateDirectory: string;
  /** As it is written, for people; and in words. */
  readonly gpg: string;
  readonly gpgCommand: readonly [string, ...string[]];
  readonly openpgpKey: string | undefined;
  /** Undefined in --stdio mode and when systemd passes the socket. */
  readonly socket: string | undefined;
  readonly logfile: string | undefined;
  readonly keyId: string | undefined;
  readonly quiet: boolean;
  readonly allowHttpOnLoopback: boolean;
  /** Helper processes for a token; undefined leaves it to the profile of the module. */
  readonly helpers: number | undefined;
  readonly signTimeoutMs: number;
  readonly touchNoticeMs: number;
  readonly lineTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxQueuedRequests: number;
}

export interface ClavigerdConfigInput {
  /** Path and text of the configuration file; the text is empty when the default file is missing. */
  readonly source: string;
  readonly text: string;
  readonly commandLine: {
    readonly privkey?: string | undefined;
    readonly socket?: string | undefined;
    readonly quiet?: boolean | undefined;
  };
  readonly specifiers: SpecifierValues;
  /** The folder systemd made for the service, STATE_DIRECTORY. */
  readonly stateDirectory?: string | undefined;
  /** No path is needed: --stdio, or a socket passed by systemd. */
  readonly hasOwnSocket: boolean;
}

/**
 * Reads the daemon's configuration.
 * @throws AppError CONFIG_INVALID listing every problem, a line each.
 */
export function parseClavigerdConfig(input: ClavigerdConfigInput): ClavigerdConfig {
  const problems = new ProblemList(input.source, input.text);
  const settings = parseTomlSettings(input.source, input.text, settingsSchema, problems);
  const { commandLine } = input;
  const expand = (key: string, fromLine?: string, fromFile?: string): string | undefined =>
    expandSetting({ key, fromLine, fromFile, specifiers: input.specifiers, problems });

  const privkeys = privkeysOf(input, settings.privkey, expand);
  if ((commandLine.privkey ?? settings.privkey) === undefined) {
    problems.add({
      key: 'privkey',
      problem: 'is missing: name the account key, pkcs11:... or file:PATH',
    });
  }
  const socket = input.hasOwnSocket
    ? undefined
    : expand('socket', commandLine.socket, settings.socket ?? DEFAULT_SOCKET_PATH);
  if (socket?.startsWith('/') === false) {
    problems.add({ key: 'socket', problem: `${JSON.stringify(socket)} is not an absolute path` });
  }
  const config: ClavigerdConfig = {
    privkeys,
    pinSource: expand('pin-source', undefined, settings['pin-source']),
    pinentry: settings.pinentry ?? DEFAULT_PINENTRY_COMMAND,
    pinentryCommand: splitProgram(
      'pinentry',
      settings.pinentry ?? DEFAULT_PINENTRY_COMMAND,
      problems,
    ),
    stateDirectory: stateDirectoryOf(input, settings['state-directory'], problems),
    gpg: settings.gpg ?? DEFAULT_GPG_COMMAND,
    gpgCommand: splitGpgCommand(settings.gpg ?? DEFAULT_GPG_COMMAND, problems),
    openpgpKey: expand('openpgp-key', undefined, settings['openpgp-key']),
    socket,
    logfile: expand('logfile', undefined, settings.logfile),
    keyId: checkKeyId(settings, problems),
    quiet: commandLine.quiet ?? settings.quiet ?? false,
    ...limitsOf(settings),
  };
  problems.throwIfAny();
  return config;
}

type Expand = (key: string, fromLine?: string, fromFile?: string) => string | undefined;

function privkeysOf(
  { commandLine }: ClavigerdConfigInput,
  fromFile: string | readonly string[] | undefined,
  expand: Expand,
): readonly string[] {
  if (commandLine.privkey !== undefined) {
    return [expandPrivkey(commandLine.privkey, () => expand('privkey', commandLine.privkey))];
  }
  return [fromFile ?? []]
    .flat()
    .map((text) => expandPrivkey(text, () => expand('privkey', undefined, text)));
}

/** The percent signs of a pkcs11: URI are its own (RFC 7512 §2.3); specifiers are for paths. */
function expandPrivkey(text: string, expand: () => string | undefined): string {
  // A scheme has no case, RFC 3986 §3.1.
  return /^pkcs11:/i.test(text) ? text : (expand() ?? '');
}

/** Empty for a user without a home who names none: then no PIN is tried. */
function stateDirectoryOf(
  { stateDirectory, specifiers }: Pick<ClavigerdConfigInput, 'stateDirectory' | 'specifiers'>,
  named: string | undefined,
  problems: ProblemList,
): string {
  const key = 'state-directory';
  if (named === undefined) {
    const hasDefault = specifiers.get('S') !== undefined;
    return (
      stateDirectory ?? (hasDefault ? expandSpecifiers(DEFAULT_STATE_DIRECTORY, specifiers) : '')
    );
  }
  const expansion = { key, fromLine: undefined, fromFile: named, specifiers, problems };
  const directory = expandSetting(expansion) ?? '/';
  if (!directory.startsWith('/')) {
    problems.add({ key, problem: `${JSON.stringify(directory)} is not an absolute path` });
  }
  return directory;
}

/**
 * The state directory alone, for commands that need no other setting.
 * @throws AppError CONFIG_INVALID
 */
export function parseStateDirectory(
  input: Pick<ClavigerdConfigInput, 'source' | 'text' | 'specifiers' | 'stateDirectory'>,
): string {
  const problems = new ProblemList(input.source, input.text);
  const settings = parseTomlSettings(input.source, input.text, settingsSchema, problems);
  const directory = stateDirectoryOf(input, settings['state-directory'], problems);
  problems.throwIfAny();
  return directory;
}

/** lacme-accountd splits at blanks alone, which comes to the same without quotes. */
function splitGpgCommand(command: string, problems: ProblemList): readonly [string, ...string[]] {
  const words = splitProgram('gpg', command, problems);
  if (words.some((word) => /^--passphrase(=|$)/.test(word))) {
    problems.add({
      key: 'gpg',
      problem: '--passphrase puts the passphrase on a command line; use --passphrase-file',
    });
  }
  return words;
}

/** Program and options. */
function splitProgram(
  key: string,
  command: string,
  problems: ProblemList,
): readonly [string, ...string[]] {
  try {
    return splitCommand(command);
  } catch (error) {
    problems.add({ key, problem: messageOf(error) });
    return [command];
  }
}

function limitsOf(settings: Settings) {
  return {
    allowHttpOnLoopback: settings['allow-http-on-loopback'] ?? false,
    helpers: settings.helpers,
    signTimeoutMs: (settings['sign-timeout'] ?? 30) * 1000,
    touchNoticeMs: (settings['touch-notice'] ?? 3) * 1000,
    lineTimeoutMs: (settings['line-timeout'] ?? 10) * 1000,
    idleTimeoutMs: (settings['idle-timeout'] ?? 600) * 1000,
    maxConnections: settings['max-connections'] ?? 256,
    maxQueuedRequests: settings['max-queued-requests'] ?? 1024,
  };
}

interface Expansion {
  readonly key: string;
  readonly fromLine: string | undefined;
  readonly fromFile: string | undefined;
  readonly specifiers: SpecifierValues;
  readonly problems: ProblemList;
}

function expandSetting(expansion: Expansion): string | undefined {
  const { key, fromLine, fromFile, specifiers, problems } = expansion;
  const value = fromLine ?? fromFile;
  if (value === undefined) {
    return undefined;
  }
  try {
    return expandSpecifiers(value, specifiers);
  } catch (error) {
    const hint = error instanceof AppError && error.hint !== undefined ? ` (${error.hint})` : '';
    const where = fromLine === undefined ? { key } : {};
    const option = fromLine === undefined ? '' : `--${key}: `;
    problems.add({ ...where, problem: `${option}${messageOf(error)}${hint}` });
    return undefined;
  }
}

/** An empty keyid means none, as lacme-accountd has it. */
function checkKeyId(settings: Settings, problems: ProblemList): string | undefined {
  const keyId = settings.keyid;
  if (keyId === undefined || keyId === '') {
    return undefined;
  }
  const url = /^https?:\/\/[!-~]+$/.test(keyId) && URL.canParse(keyId) ? new URL(keyId) : undefined;
  if (url === undefined || url.hash !== '' || url.username !== '' || url.password !== '') {
    problems.add({ key: 'keyid', problem: 'is not an account URL, https://...' });
  } else if (url.protocol === 'http:' && settings['allow-http-on-loopback'] !== true) {
    problems.add({ key: 'keyid', problem: 'is not https, and allow-http-on-loopback is not set' });
  }
  return keyId;
}
