// Runs one command of claviger: reads the configuration, handles signals, prints progress to
// standard error and the result to standard output. client/ gets all of it as parameters.

import {
  DEFAULT_CLAVIGER_CONFIG_PATH,
  parseClavigerConfig,
  type ClavigerConfig,
} from '../../config/client/config.js';
import { specifierValues } from '../../config/specifiers.js';
import { nameProblem } from '../../acme/identifier.js';
import type { ClientContext } from '../../client/acme-access.js';
import { ClientState } from '../../client/state/client-state.js';
import { printable } from '../../lib/printable.js';
import { readConfigFile } from '../terminal/config-file.js';
import { EXIT_FAILURE, EXIT_OK, reportFailure } from '../terminal/failure.js';
import { Interrupted } from '../terminal/interrupted.js';
import { readSpecifierEnvironment, readStateDirectory } from '../terminal/environment.js';
import { printProgress, printStderr } from '../terminal/standard-error.js';
import { printLines } from '../terminal/standard-output.js';
import { packageVersion } from '../terminal/version.js';

/** Options as commander gives them: names in camel case. */
export type ClientOptions = Readonly<Record<string, unknown>> & { readonly config?: string };

export type ClientTask =
  | { readonly kind: 'register' | 'show'; readonly options: ClientOptions }
  | {
      readonly kind: 'issue';
      readonly names: readonly string[];
      readonly isForced: boolean;
      readonly options: ClientOptions;
    }
  | {
      readonly kind: 'revoke';
      readonly file: string;
      readonly reason: number | undefined;
      readonly options: ClientOptions;
    }
  | {
      readonly kind: 'renew';
      /** Of the sections to look at; none for all. */
      readonly names: readonly string[];
      readonly isForced: boolean;
      readonly options: ClientOptions;
    };

/** Runs the command. @returns the exit code; @throws AppError of any folder */
export async function runClient(task: ClientTask): Promise<number> {
  const config = loadConfig(task);
  const report = (line: string): void => {
    if (!config.quiet) {
      printProgress(`claviger: ${printable(line)}\n`);
    }
  };
  const trace = (line: string): void => {
    if (config.debug) {
      const seconds = (performance.now() / 1000).toFixed(3);
      printProgress(`claviger: debug: ${seconds} s: ${printable(line)}\n`);
    }
  };
  const context: ClientContext = {
    config,
    version: packageVersion(),
    signal: abortOnSignals(),
    state: new ClientState({ directory: config.stateDirectory, report }),
    report,
    trace,
    warn: (line) => {
      printStderr(`claviger: warning: ${printable(line)}\n`);
    },
  };
  // Imported after the configuration was read: a usage error is printed without this delay.
  if (task.kind === 'renew') {
    return await renew(context, task);
  }
  const commands = await import('../../client/commands.js');
  switch (task.kind) {
    case 'register':
      printLines(await commands.registerCommand(context));
      return EXIT_OK;
    case 'show':
      printLines(await commands.showCommand(context));
      return EXIT_OK;
    case 'issue':
      await commands.issueCommand(context, task.isForced);
      return EXIT_OK;
    case 'revoke':
      await commands.revokeCommand(context, task.file, task.reason);
      return EXIT_OK;
  }
}

async function renew(
  context: ClientContext,
  { names, isForced }: ClientTask & { readonly kind: 'renew' },
): Promise<number> {
  const { renewCommand } = await import('../../client/renew-command.js');
  const failures = await renewCommand(context, {
    names,
    isForced,
    onFailure: (error) => {
      reportFailure('claviger', error);
    },
  });
  return failures === 0 ? EXIT_OK : EXIT_FAILURE;
}

function loadConfig(task: ClientTask): ClavigerConfig {
  const specifiers = specifierValues(readSpecifierEnvironment(process.env));
  const { config: named, ...options } = task.options;
  const file = readConfigFile(named, DEFAULT_CLAVIGER_CONFIG_PATH, specifiers);
  return parseClavigerConfig({
    source: file.path,
    text: file.text,
    commandLine: Object.fromEntries(
      Object.entries(options).map(([name, value]) => [settingName(name), value]),
    ),
    names: task.kind === 'issue' ? task.names : undefined,
    specifiers,
    nameProblem,
    stateDirectory: readStateDirectory(process.env),
  });
}

/** `serverCaFile` as the file has it: `server-ca-file`. */
function settingName(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** HUP, INT and TERM abort the command, which cleans up; a second signal ends it at once. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      controller.abort(new Interrupted(name));
    });
  }
  // Without a listener Node opens its debugger on SIGUSR1.
  process.on('SIGUSR1', () => undefined);
  return controller.signal;
}
