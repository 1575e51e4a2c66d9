// The daemon's settings: clavigerd.toml and the command line to one typed value. Pure.
// The same names as lacme-accountd's where it has them. The command line wins over the file.

import { normalize } from 'node:path';
import { AppError } from '../../lib/errors.js';
import { DEFAULT_ACCOUNT, type AccountConfig } from './account-settings.js';
import { settingsSchema, type Settings } from './schema.js';
import { refuseMissingKeys, refuseUnknownNames } from './references.js';
import {
  lonePlace,
  nameOfPlace,
  readLimits,
  readListeners,
  refuseMisfits,
  type ListenConfig,
  type ListenLimits,
  type Start,
} from './listen-settings.js';
import { readAccounts, readPolicies, type PolicyCheck } from './named-sections.js';
import type { PolicySettings } from './policy-schema.js';
import { DEFAULT_SOCKET_PATH } from '../default-socket.js';
import { ProblemList } from '../problems.js';
import { SettingReader } from '../setting-reader.js';
import type { SpecifierValues } from '../specifiers.js';
import { parseTomlSettings } from '../toml-settings.js';

export const DEFAULT_CONFIG_PATH = '%E/claviger/clavigerd.toml';
/** Unless systemd names the folder by STATE_DIRECTORY. */
const DEFAULT_STATE_DIRECTORY = '%S/claviger';
const DEFAULT_LIMITS: ListenLimits = {
  lineTimeoutMs: 10_000,
  idleTimeoutMs: 600_000,
  maxConnections: 256,
  maxQueuedRequests: 1024,
};

export interface ClavigerdConfig {
  /**
   * The first is `default`, the settings at the top; it may be without a key when no listener uses
   * it.
   */
  readonly accounts: readonly AccountConfig[];
  /** All that are configured; see `servedListeners`. */
  readonly listeners: readonly ListenConfig[];
  /** False for the one listener that is there without a [[listen]] section. */
  readonly hasListenSections: boolean;
  /** What a listener has that sets no limits of its own. */
  readonly limits: ListenLimits;
  readonly policies: Readonly<Record<string, PolicySettings>>;
  /** Where refused PINs are noted; made when something is written to it. */
  readonly stateDirectory: string;
  readonly logfile: string | undefined;
  readonly quiet: boolean;
  /**
   * True has each line on standard error begin with its syslog priority, `<N>`, also outside of
   * systemd.
   */
  readonly logPriorities: boolean;
  readonly allowHttpOnLoopback: boolean;
  readonly auditLog: string | undefined;
  /**
   * True has each record of the audit log on the disk, not just with the kernel, before the reply.
   */
  readonly auditDurable: boolean;
  /**
   * MiB that are kept free for signatures on the disk of the audit log; undefined for the default.
   */
  readonly auditReserveMib: number | undefined;
}

export interface ClavigerdConfigInput {
  /**
   * Path and text of the configuration file; the text is empty when the default file is missing.
   */
  readonly source: string;
  readonly text: string;
  readonly commandLine: {
    readonly privkey?: string | undefined;
    readonly socket?: string | undefined;
    readonly quiet?: boolean | undefined;
    readonly 'log-priorities'?: boolean | undefined;
  };
  readonly specifiers: SpecifierValues;
  /** The folder systemd made for the service, STATE_DIRECTORY. */
  readonly stateDirectory?: string | undefined;
  /** Undefined where nothing is to be served: --check without --stdio, other commands. */
  readonly start: Start | undefined;
  /** The number of a group, by name or number; undefined for an unknown one. */
  readonly groupIdOf: (group: string) => number | undefined;
  /** Says what is wrong with the meaning of a policy. */
  readonly checkPolicy?: PolicyCheck | undefined;
}

/**
 * Reads the daemon's configuration.
 * @throws AppError CONFIG_INVALID listing every problem, a line each; CONFIG_USAGE for an option of
 *   the command line that does not go with the file.
 */
export function parseClavigerdConfig(input: ClavigerdConfigInput): ClavigerdConfig {
  const problems = new ProblemList(input.source, input.text);
  const settings = parseTomlSettings(input.source, input.text, settingsSchema, problems);
  const options = Object.entries(input.commandLine).filter(([, value]) => value !== undefined);
  const given = new Set(options.map(([name]) => name));
  const reader = new SettingReader(problems, input.specifiers, given);
  const accounts = readAccounts(reader, settings, input.commandLine.privkey);
  const limits = readLimits(settings, DEFAULT_LIMITS);
  const listeners = readPlaces({ reader, input, settings, accounts, limits });
  refuseUnknownNames(reader, { accounts, listeners, settings });
  refuseMissingKeys(reader, { accounts, listeners, settings });
  const config: ClavigerdConfig = {
    accounts,
    listeners,
    hasListenSections: settings.listen !== undefined,
    limits,
    policies: readPolicies(reader, settings.policy, input.checkPolicy),
    stateDirectory: readStateDirectory(reader, input, settings['state-directory']),
    quiet: input.commandLine.quiet ?? settings.quiet ?? false,
    logPriorities: input.commandLine['log-priorities'] ?? settings['log-priorities'] ?? false,
    allowHttpOnLoopback: settings['allow-http-on-loopback'] ?? false,
    ...readFiles(reader, settings),
  };
  problems.throwIfAny();
  assertOptionsFit(input, config);
  return config;
}

/** The listeners that this start serves: with --stdio that one alone, else all others. */
export function servedListeners(
  { listeners }: Pick<ClavigerdConfig, 'listeners'>,
  start: Start,
): readonly ListenConfig[] {
  return listeners.filter(({ place }) => (place.kind === 'stdio') === (start.kind === 'stdio'));
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
  const reader = new SettingReader(problems, input.specifiers);
  const directory = readStateDirectory(reader, input, settings['state-directory']);
  problems.throwIfAny();
  return directory;
}

interface Places {
  readonly reader: SettingReader;
  readonly input: ClavigerdConfigInput;
  readonly settings: Settings;
  readonly accounts: readonly AccountConfig[];
  readonly limits: ListenLimits;
}

function readPlaces({
  reader,
  input,
  settings,
  accounts,
  limits,
}: Places): readonly ListenConfig[] {
  const { start, commandLine, groupIdOf } = input;
  const policyOfAccount = (name: string): string | undefined =>
    accounts.find((account) => account.name === name)?.policy;
  if (settings.listen !== undefined) {
    const listeners = readListeners(reader, settings.listen, {
      limits,
      policyOfAccount,
      groupIdOf,
    });
    if (settings.socket !== undefined) {
      reader.refuse('socket', 'does not go with [[listen]]: name it in a section');
    }
    refuseMisfits(reader, listeners, start);
    return listeners;
  }
  const needsPath = start === undefined || (start.kind === 'sockets' && start.passed.length === 0);
  const path = needsPath ? readSocketPath(reader, commandLine.socket, settings.socket) : '';
  const place = lonePlace(path, start);
  const account = DEFAULT_ACCOUNT;
  const policy = policyOfAccount(account);
  return [{ name: nameOfPlace(place), place, account, policy, ...limits }];
}

function readSocketPath(
  reader: SettingReader,
  option: string | undefined,
  setting = DEFAULT_SOCKET_PATH,
): string {
  return reader.path('socket', option ?? setting);
}

/** Empty for a user without a home who names none: then no PIN is tried. */
function readStateDirectory(
  reader: SettingReader,
  { stateDirectory }: Pick<ClavigerdConfigInput, 'stateDirectory'>,
  named: string | undefined,
): string {
  const places = { named, ofService: stateDirectory, fallback: DEFAULT_STATE_DIRECTORY };
  return reader.stateDirectory(places) ?? '';
}

function readFiles(reader: SettingReader, settings: Settings) {
  const path = settings['audit-log'];
  const logfile =
    settings.logfile === undefined ? undefined : reader.path('logfile', settings.logfile);
  const auditLog = path === undefined ? undefined : reader.path('audit-log', path);
  const auditDurable = settings['audit-durable'] ?? false;
  if (auditDurable && path === undefined) {
    reader.refuse('audit-durable', 'there is no audit-log');
  }
  const auditReserveMib = settings['audit-reserve'];
  if (auditReserveMib !== undefined && path === undefined) {
    reader.refuse('audit-reserve', 'there is no audit-log');
  }
  if (
    auditLog !== undefined &&
    logfile !== undefined &&
    normalize(auditLog) === normalize(logfile)
  ) {
    reader.refuse('audit-log', 'is the logfile, whose lines would break its chain');
  }
  return { logfile, auditLog, auditDurable, auditReserveMib };
}

function assertOptionsFit(
  { commandLine }: ClavigerdConfigInput,
  { listeners, hasListenSections }: ClavigerdConfig,
): void {
  if (hasListenSections && commandLine.socket !== undefined) {
    throw new AppError('CONFIG_USAGE', '--socket does not go with [[listen]] sections', {
      hint: 'change the section, or use another configuration file',
    });
  }
  const usesDefault = listeners.some(({ account }) => account === DEFAULT_ACCOUNT);
  if (commandLine.privkey !== undefined && !usesDefault) {
    throw new AppError(
      'CONFIG_USAGE',
      '--privkey is the default account, which nobody listens for',
    );
  }
}
