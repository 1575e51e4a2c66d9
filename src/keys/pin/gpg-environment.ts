// The environment that gpg and pinentry get: the variables that gpg, gpg-agent and pinentry read.
// Runs in clavigerd and its commands. Pure. Anything else stays behind: a PIN in a variable,
// NODE_OPTIONS, LD_PRELOAD, systemd's sockets, the caller's search path.

import { PROGRAM_PATH } from '../../sys/program.js';

/** Variables passed on by their exact names. */
const NAMES: ReadonlySet<string> = new Set([
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'TZ', 'LANG', 'LANGUAGE'],
  // Where pinentry can show its dialogue: a terminal, a display, a session.
  ...['TERM', 'COLORTERM', 'GPG_TTY', 'INSIDE_EMACS', 'DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY'],
  ...['DBUS_SESSION_BUS_ADDRESS', 'SSH_TTY', 'SSH_CONNECTION'],
  'GNUPGHOME',
  // scdaemon reads cards through pcscd.
  'PCSCLITE_CSOCK_NAME',
]);

/**
 * Variables passed on by their prefix. QUBES_GPG_DOMAIN names the Qubes domain that holds the keys
 * of split gpg.
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
