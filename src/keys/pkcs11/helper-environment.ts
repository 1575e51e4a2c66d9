// The environment of a token helper: what PKCS#11 modules read, and nothing else of the daemon's.
// The variables of a module stand in its profile. None that makes Node or the loader run foreign
// code (NODE_OPTIONS, LD_PRELOAD) is passed on, nor the caller's search path.

import { PROGRAM_PATH } from '../../sys/program.js';
import { moduleProfiles } from './module-profile.js';

/** For every module, by their exact names. */
const NAMES: ReadonlySet<string> = new Set([
  // Where modules and their libraries look for users' files, and in which language they complain.
  'HOME',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
]);

/**
 * OpenSC's pkcs11-spy, for who has to see the calls; it is used only when it is the configured
 * module. PINs are among what it writes: it gets its variables only with a file to write to.
 */
const SPY = 'PKCS11SPY';
const SPY_OUTPUT = 'PKCS11SPY_OUTPUT';

/** The part of `env` a token helper gets. */
export function helperEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const hasSpyOutput = (env[SPY_OUTPUT] ?? '') !== '';
  const allowed = Object.entries(env).filter(
    ([name]) => isHelperVariable(name) && (hasSpyOutput || name !== SPY),
  );
  return { PATH: PROGRAM_PATH, ...Object.fromEntries(allowed) };
}

/** True for what a helper may get, and shows to others of its user in /proc: no place for a PIN. */
export function isHelperVariable(name: string): boolean {
  const known = new Set(moduleProfiles().flatMap(({ environment }) => environment));
  return (
    [SPY, SPY_OUTPUT].includes(name) ||
    NAMES.has(name) ||
    known.has(name) ||
    [...known].some((pattern) => fits(name, pattern))
  );
}

/** A star at the end of a pattern stands for anything. */
function fits(name: string, pattern: string): boolean {
  return pattern.endsWith('*') && name.startsWith(pattern.slice(0, -1));
}
