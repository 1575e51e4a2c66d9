// The clavigerd program: parses the command line and runs the daemon or a command. Only cli/ reads
// process.argv and process.env and sets the exit code; all else gets them as parameters.

import { Command, CommanderError, Option } from 'commander';
import { DEFAULT_CONFIG_PATH } from '../config/daemon/config.js';
import { DEFAULT_SOCKET_PATH } from '../config/default-socket.js';
import { SPECIFIER_MEANINGS } from '../config/specifiers.js';
import { EXIT_OK, EXIT_USAGE, reportFailure, withLostOutput } from './terminal/failure.js';
import { serve, type ServeOptions } from './daemon/serve.js';
import { AppError } from '../lib/errors.js';
import { nearestName } from '../lib/nearest-name.js';
import { keepMemoryOutOfCoreFiles } from '../sys/core-dump.js';
import { printStderr, writeStderr } from './terminal/standard-error.js';
import { printText } from './terminal/standard-output.js';
import { packageVersion } from './terminal/version.js';

const HELP = `
The account key stays in a PKCS#11 token (smartcard, HSM, TPM) or a PEM file. ACME clients connect to
the socket, learn the public key or the key ID, and ask for signatures; INT or TERM ends the daemon.

Keys (--privkey, or privkey in the configuration):
  pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=file:PATH   (RFC 7512)
  file:PATH                                                               PEM, encrypted or not
  gpg:PATH                                                                PEM, encrypted; gpg decrypts it
  openpgp:PATH                                                            the same, without gpg

Examples:
  clavigerd key generate --module-name softhsm2 --token acme --label account --type p256
  clavigerd --privkey='pkcs11:token=acme;object=account?module-name=softhsm2' --socket=/run/claviger/S
  clavigerd --config=/etc/claviger/clavigerd.toml --check
  ssh -T signer.example.net clavigerd --stdio        (what a remote client runs)
  clavigerd pin status                               (a refused PIN is not tried again)
  clavigerd policy test --policy web < requests      (what a policy would allow)
  clavigerd audit verify                             (that the record of all decisions is whole)

%-specifiers in paths:
${SPECIFIER_MEANINGS.map(([specifier, meaning]) => `  ${specifier}  ${meaning}`).join('\n')}

Exit status: 0 done, 1 failure, 2 usage or configuration, 74 output is lost, 130 after Ctrl-C.
More: clavigerd(1), clavigerd.toml(5).
`;

const COMMANDS = ['key', 'pin', 'audit', 'policy', 'help'] as const;

function newProgram(setExitCode: (code: number) => void): Command {
  const program = new Command('clavigerd')
    .description('Signing daemon for an ACME account key')
    .option('--config <file>', `configuration file (default: ${DEFAULT_CONFIG_PATH})`)
    .option('--privkey <key>', 'the account key: pkcs11:..., file:PATH, gpg:PATH or openpgp:PATH')
    .option('--socket <path>', `UNIX socket to bind (default: ${DEFAULT_SOCKET_PATH})`)
    .addOption(
      new Option('--stdio', 'serve one client on standard input and output').conflicts('socket'),
    )
    .option('-q, --quiet', 'print only signatures, refusals and trouble')
    .option('--log-priorities', 'begin each line on standard error with <N>, its syslog priority')
    .option('--debug', 'print more: connections, times of requests, messages of tokens')
    .option('--check', 'print the effective configuration, without secrets, and exit')
    .version(packageVersion(), '--version', 'print the version and exit')
    .helpOption('-h, --help', 'print this help and exit')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', HELP)
    .allowExcessArguments(true) // refused below as unknown commands
    .showHelpAfterError('(clavigerd --help shows what is possible)')
    .configureOutput({
      writeOut: printText,
      writeErr: printStderr,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'clavigerd: error: '));
      },
    })
    // Options behind a command belong to the command, also --config, which both have.
    .enablePositionalOptions()
    .exitOverride()
    .action(async (options: ServeOptions, command: Command) => {
      const [word] = command.args;
      if (word !== undefined) {
        throw unknownCommand(word);
      }
      setExitCode(await serve(options));
    });
  return program;
}

/** Without a command the daemon runs, and takes no arguments. */
function unknownCommand(word: string): AppError {
  const meant = nearestName(word, COMMANDS);
  return new AppError('CONFIG_USAGE', `unknown command ${JSON.stringify(word)}`, {
    hint: `${meant === undefined ? '' : `is ${meant} meant? `}the commands are ${COMMANDS.join(', ')}; without one the daemon runs`,
  });
}

async function main(argv: readonly string[]): Promise<number> {
  if (!keepMemoryOutOfCoreFiles()) {
    writeStderr('clavigerd: warning: core files may hold secrets; run it with ulimit -c 0\n');
  }
  let exitCode = EXIT_OK;
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  const program = newProgram(setExitCode);
  const [first = '', ...others] = argv.slice(2);
  if (/^[^-]/.test(first) && !COMMANDS.some((command) => command === first)) {
    return reportFailure('clavigerd', unknownCommand(first)); // before its options are looked at
  }
  const isHelp = ['help', '--help', '-h'].includes(first);
  // Options of the program may stand before the command.
  const wants = (command: string): boolean => isHelp || [first, ...others].includes(command);
  if (wants('key')) {
    const { addKeyCommands } = await import('./key/command.js');
    addKeyCommands(program);
  }
  if (wants('pin')) {
    const { addPinCommands } = await import('./pin/command.js');
    addPinCommands(program);
  }
  if (wants('audit')) {
    const { addAuditCommands } = await import('./audit/command.js');
    addAuditCommands(program, setExitCode);
  }
  if (wants('policy')) {
    const { addPolicyCommands } = await import('./policy/command.js');
    addPolicyCommands(program, setExitCode);
  }
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    }
    return reportFailure('clavigerd', error);
  }
}

// Not process.exitCode: an open standard input would keep the process after --stdio has ended.
process.exit(withLostOutput(await main(process.argv)));
