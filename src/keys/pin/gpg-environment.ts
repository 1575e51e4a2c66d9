// The environment of gpg: what gpg, gpg-agent and pinentry read, and nothing else of the daemon's.
// Pure. A PIN in a variable, NODE_OPTIONS, LD_PRELOAD, systemd's sockets, the caller's search path:
// none of those is gpg's business.

import { PROGRAM_PATH } from '../../sys/program.js';

/** Passed on by their exact names. */
const NAMES: ReadonlySet<string> = new Set([
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  // How pinentry finds whom to ask: a terminal, a screen, a session.
  ...['TERM', 'COLORTERM', 'GPG_TTY', 'INSIDE_EMACS', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'],
  ...['DBUS_SESSION_BUS_ADDRESS', 'SSH_TTY', 'SSH_CONNECTION'],
  'GNUPGHOME',
  // scdaemon reads cards through pcscd.
  'PCSCLITE_CSOCK_NAME',
]);

/**
 * Passed on by how their names begin; QUBES_GPG_DOMAIN names the vault of a gpg in another Qubes
 * domain.
 */
const PREFIXES: readonly string[] = ['LC_', 'XDG_', 'GPG_AGENT_', 'PINENTRY_', 'QUBES_GPG_'];

/**
 * The part of `env` that gpg gets.
 * @param terminal path of this process's terminal, for pinentry, unless GPG_TTY names another.
 */
export function gpgEnvironment(
  env: NodeJS.ProcessEnv,
  terminal: string | undefined,
): NodeJS.ProcessEnv {
  const allowed = Object.entries(env).filter(
    ([name]) => NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix)),
  );
  return {
    PATH: PROGRAM_PATH,
    ...(terminal === undefined ? {} : { GPG_TTY: terminal }),
    ...Object.fromEntries(allowed),
  };
}
