// The claviger program: parses the command line and runs one command. Only cli/ reads process.argv
// and process.env and sets the exit code; all else gets them as parameters.

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { REVOCATION_REASONS } from '../acme/revocation.js';
import {
  DEFAULT_CLAVIGER_CONFIG_PATH,
  DEFAULT_CLIENT_STATE_DIRECTORY,
  DEFAULT_TIMEOUT_S,
} from '../config/client/config.js';
import { DEFAULT_KEY_TYPE, KEY_TYPES } from '../config/client/schema.js';
import { DEFAULT_SOCKET_PATH } from '../config/default-socket.js';
import { DEFAULT_LISTEN } from '../config/listen-address.js';
import { SPECIFIER_MEANINGS } from '../config/specifiers.js';
import { runClient, type ClientOptions, type ClientTask } from './client/run.js';
import {
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  reportFailure,
  withLostOutput,
} from './terminal/failure.js';
import { printStderr } from './terminal/standard-error.js';
import { printText } from './terminal/standard-output.js';
import { packageVersion } from './terminal/version.js';

const HELP = `
The account key is elsewhere: clavigerd holds it, in a token, and signs what an ACME client may ask.
claviger proves that this machine answers for its names (http-01, port 80), and installs certificates.

First steps:
  claviger account register --agree-tos --contact mailto:admin@example.org
  claviger issue www.example.org example.org --key /etc/ssl/private/www.key \\
      --fullchain /etc/ssl/certs/www.pem --webroot /var/www/html

More examples:
  claviger issue www.example.org --key www.key --cert www.crt --chain chain.pem --listen :80
  claviger issue www.example.org --key www.key --fullchain www.pem \\
      --signer-command 'ssh -T signer.example.net clavigerd --stdio'
  claviger renew                        issue what is due of claviger.toml; for a timer
  claviger renew www.example.org --force
  claviger revoke www.crt --reason superseded

Settings have the options' names in claviger.toml; the command line wins.
%-specifiers in paths and in the signer command:
${SPECIFIER_MEANINGS.map(([specifier, meaning]) => `  ${specifier}  ${meaning}`).join('\n')}

Exit status: 0 done or nothing due, 1 failure, 2 usage or configuration, 74 output is lost, 130 after Ctrl-C.
More: claviger(1), claviger.toml(5).
`;

type Settle = (task: ClientTask) => void;

function addCommonOptions(command: Command): Command {
  return command
    .option('--config <file>', `configuration file (default: ${DEFAULT_CLAVIGER_CONFIG_PATH})`)
    .option('--server <url>', "the CA's ACME directory (default: Let's Encrypt)")
    .option('--server-ca-file <file>', 'trust these authorities for the HTTPS connection to it')
    .addOption(
      new Option(
        '--socket <path>',
        `the signer's UNIX socket (default: ${DEFAULT_SOCKET_PATH})`,
      ).conflicts('signerCommand'),
    )
    .option('--signer-command <command>', 'talk to the signer over this command instead; no shell')
    .option(
      '--timeout <seconds>',
      `most time for one certificate (default: ${DEFAULT_TIMEOUT_S})`,
      wholeNumber,
    )
    .option(
      '--state-directory <directory>',
      `where to remember unfinished orders (default: ${DEFAULT_CLIENT_STATE_DIRECTORY})`,
    )
    .option('-q, --quiet', 'print errors and warnings only')
    .option('--debug', 'print each request, its status, its time, and what is tried again')
    .helpOption('-h, --help', 'print this help and exit')
    .allowExcessArguments(false);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number of seconds.');
  }
  return Number(text);
}

function appendTo(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

function addAccountCommands(program: Command, settle: Settle): void {
  const account = program.command('account').description('register or show the account');
  addCommonOptions(account.command('register'))
    .description("register the signer's key with the CA; again to change the contacts")
    .option('--contact <uri>', 'where the CA may write to (mailto:...); repeatable', appendTo)
    .option('--agree-tos', "agree to the CA's terms of service")
    .action((options: ClientOptions) => {
      settle({ kind: 'register', options });
    });
  addCommonOptions(account.command('show'))
    .description('print the account URL, status, contacts and key thumbprint')
    .action((options: ClientOptions) => {
      settle({ kind: 'show', options });
    });
}

function addIssueCommand(program: Command, settle: Settle): void {
  addCommonOptions(program.command('issue'))
    .description('obtain a certificate for DNS names and IP addresses')
    .argument('<names...>', 'what the certificate is for')
    .option('--key <file>', "the certificate's private key; made when the file is absent")
    .addOption(
      new Option('--key-type <type>', `type of a new key (default: ${DEFAULT_KEY_TYPE})`).choices(
        KEY_TYPES,
      ),
    )
    .option('--cert <file>', 'where to put the certificate')
    .option('--chain <file>', 'where to put the intermediate certificates')
    .option('--fullchain <file>', 'where to put both, the certificate first')
    .addOption(
      new Option(
        '--listen <address:port>',
        `answer http-01 there (default: ${DEFAULT_LISTEN})`,
      ).conflicts('webroot'),
    )
    .option('--webroot <directory>', 'or have a running web server answer from its document root')
    .option('--ca-file <file>', 'the issued chain must lead to one of these authorities')
    .option(
      '--preferred-chain <name>',
      'of several chains take the one that leads to this authority',
    )
    .option('--force', 'order anew, whatever an earlier run left or why it failed')
    .action((names: string[], options: ClientOptions & { force?: boolean }) => {
      const { force, ...rest } = options;
      settle({ kind: 'issue', names, isForced: force === true, options: rest });
    });
}

function addRevokeCommand(program: Command, settle: Settle): void {
  addCommonOptions(program.command('revoke'))
    .description('revoke a certificate with the account key')
    .argument('<file>', 'the certificate, PEM; of a chain the first')
    .addOption(new Option('--reason <reason>', 'why').choices([...REVOCATION_REASONS.keys()]))
    .action((file: string, options: ClientOptions & { reason?: string }) => {
      const { reason, ...rest } = options;
      settle({
        kind: 'revoke',
        file,
        reason: reason === undefined ? undefined : REVOCATION_REASONS.get(reason),
        options: rest,
      });
    });
}

function addRenewCommand(program: Command, settle: Settle): void {
  addCommonOptions(program.command('renew'))
    .description('issue the [[certificate]] sections of claviger.toml that are due')
    .argument('[names...]', 'only the sections that have one of these names')
    .option('--force', 'due or not')
    .action((names: string[], options: ClientOptions & { force?: boolean }) => {
      const { force, ...rest } = options;
      settle({ kind: 'renew', names, isForced: force === true, options: rest });
    });
}

function newProgram(settle: Settle): Command {
  const program = new Command('claviger')
    .description('ACME client whose account key never leaves its token')
    .version(packageVersion(), '--version', 'print the version and exit')
    .helpOption('-h, --help', 'print this help and exit')
    .addHelpText('after', HELP)
    .showHelpAfterError('(claviger --help shows what is possible)')
    .configureOutput({
      writeOut: printText,
      writeErr: printStderr,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'claviger: error: '));
      },
    })
    .exitOverride();
  addIssueCommand(program, settle);
  addRenewCommand(program, settle);
  addRevokeCommand(program, settle);
  addAccountCommands(program, settle);
  return program;
}

async function main(argv: readonly string[]): Promise<number> {
  const tasks: ClientTask[] = [];
  try {
    await newProgram((task) => {
      tasks.push(task);
    }).parseAsync(argv);
    const [task] = tasks;
    return task === undefined ? EXIT_FAILURE : await runClient(task);
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    }
    return reportFailure('claviger', error);
  }
}

// Not process.exitCode: a socket that does not close in time must not keep the process.
process.exit(withLostOutput(await main(process.argv)));
