// The environment that a token helper gets: the variables that PKCS#11 modules read, by the
// profiles of the modules, and nothing else. Runs in clavigerd and its commands. Variables that
// make Node or the loader run foreign code (NODE_OPTIONS, LD_PRELOAD) are never passed on, nor the
// caller's PATH.

import { PROGRAM_PATH } from '../../sys/program.js';
import { moduleProfiles } from './module-profile.js';

/** Variables for every module, by their exact names. */
const NAMES: ReadonlySet<string> = new Set([
  // The user's files, the language of messages, the time zone.
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
]);

/**
 * The variables of OpenSC's pkcs11-spy, a module that logs the calls to another one. Its log holds
 * PINs: PKCS11SPY is passed on only together with the file to write to.
 */
const SPY = 'PKCS11SPY';
const SPY_OUTPUT = 'PKCS11SPY_OUTPUT';

/** The part of `env` that a token helper gets. */
export function helperEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hasSpyOutput = (env[SPY_OUTPUT] ?? '') !== '';
  const allowed = Object.entries(env).filter(
    ([name]) => isHelperVariable(name) && (hasSpyOutput || name !== SPY),
  );
  return { PATH: PROGRAM_PATH, ...Object.fromEntries(allowed) };
}

/**
 * True for a variable that a helper may get. It is no place for a PIN: /proc/PID/environ of the
 * helper shows it to every process of the same user.
 */
export function isHelperVariable(name: string): boolean {
  const known = new Set(moduleProfiles().flatMap(({ environment }) => environment));
  return (
    [SPY, SPY_OUTPUT].includes(name) ||
    NAMES.has(name) ||
    known.has(name) ||
    [...known].some((pattern) => fits(name, pattern))
  );
}

/** True when a pattern that ends with a star matches. */
function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1));
}
