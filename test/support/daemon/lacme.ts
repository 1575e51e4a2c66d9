// Debian's lacme, with a configuration of its own, against a test CA. Used by test processes only.
// It has no badNonce retry at all, so a CA for it must not reject nonces on purpose. Privilege
// separation is off: its unprivileged users could not read below the test's folder.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandResult, mustRun, runCommand } from '../process.js';
import { recordText } from '../transcript.js';

const LACME = '/usr/sbin/lacme';
const LACME_CLIENT = '/usr/libexec/lacme/client';
const CERTIFICATES_CONFIG = 'lacme-certs.conf';
const LACME_TIMEOUT_MS = 90_000;

interface LacmeOptions {
  /** An empty folder of the test. */
  readonly folder: string;
  /** The ACME directory's URL. */
  readonly server: string;
  /** Certificate of the CA that signed the ACME server's own certificate. */
  readonly caFile: string;
  /** Where the CA fetches http-01 challenges. */
  readonly httpPort: number;
  /** A signing daemon's socket, or the command by which lacme starts one (it adds `--stdio`). */
  readonly signer:
    { readonly socket: string } | { readonly command: string; readonly config?: string };
  /** File of the certificate's key; a new P-256 key where it is not given. */
  readonly serverKey?: string;
}

export interface Lacme {
  readonly certificate: string;
  readonly chain: string;
  /** Runs lacme with these arguments. */
  run(...args: string[]): Promise<CommandResult>;
}

/** Writes lacme's configuration, with one certificate section `[test]` for `names`. */
export async function prepareLacme(
  options: LacmeOptions,
  names: readonly string[],
): Promise<Lacme> {
  const { folder, signer } = options;
  const config = join(folder, 'lacme.conf');
  const certificate = join(folder, 'lacme-certificate.pem');
  const chain = join(folder, 'lacme-chain.pem');
  const key = options.serverKey ?? join(folder, 'lacme-server.key');
  if (options.serverKey === undefined) {
    const keyOptions = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    await mustRun('openssl', ['genpkey', ...keyOptions, '-out', key]);
  }
  await writeFile(config, mainConfig(options).join('\n'), { mode: 0o600 });
  await writeFile(
    join(folder, CERTIFICATES_CONFIG),
    [
      '[test]',
      `certificate = ${certificate}`,
      `certificate-chain = ${chain}`,
      `certificate-key = ${key}`,
      // It must hold a name: without one, lacme 0.8.2 asks for a name left over from another match.
      `subject = /CN=${names[0] ?? ''}`,
      `subjectAltName = ${names.map((name) => `DNS:${name}`).join(',')}`,
      // The chain is for the test itself to verify.
      'CAfile =',
      '',
    ].join('\n'),
  );
  const socketArgs = 'socket' in signer ? [`--socket=${signer.socket}`] : [];
  return {
    certificate,
    chain,
    async run(...args) {
      const all = [`--config=${config}`, ...socketArgs, ...args];
      const result = await runCommand(LACME, all, { timeoutMs: LACME_TIMEOUT_MS });
      recordText(`lacme ${args.join(' ')}`, result.stdout + result.stderr);
      return result;
    },
  };
}

function mainConfig({ server, caFile, httpPort, signer }: LacmeOptions): string[] {
  const noPrivilegeDrop = ['user =', 'group ='];
  const accountd =
    'command' in signer
      ? [
          '[accountd]',
          ...noPrivilegeDrop,
          // lacme expands %-specifiers here, as the daemon does in its own settings.
          `command = ${signer.command.replaceAll('%', '%%')}`,
          `config = ${signer.config ?? ''}`,
          'quiet = No',
        ]
      : [];
  return [
    `config-certs = ${CERTIFICATES_CONFIG}`,
    '[client]',
    ...noPrivilegeDrop,
    `server = ${server}`,
    // SSL_verify=no would still verify the chain: the private CA is named to Perl's HTTP library
    // instead.
    `command = /usr/bin/env PERL_LWP_SSL_CA_FILE=${caFile} ${LACME_CLIENT}`,
    '[webserver]',
    ...noPrivilegeDrop,
    `listen = 127.0.0.1:${httpPort}`,
    ...accountd,
    '',
  ];
}
