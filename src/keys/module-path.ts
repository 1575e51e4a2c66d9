// Which shared library a `pkcs11:` URI means: its module-path, or a profile of its module-name.
// Runs in the daemon; looks at files, loads none of them. Profiles are data in native-config/modules.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import type { Pkcs11Uri } from './pkcs11-uri.js';

const PROFILES_DIRECTORY = fileURLToPath(
  new URL('../../../native-config/modules/', import.meta.url),
);
const PROFILE_SUFFIX = '.json';

const profile = v.object({
  /** Debian package that brings the module. */
  package: v.string(),
  /** Absolute paths, the first that exists is taken. */
  paths: v.pipe(v.array(v.pipe(v.string(), v.startsWith('/'))), v.minLength(1)),
});

/**
 * The absolute path of the module.
 * @throws AppError KEY_URI when the URI names none, or a name without a profile; TOKEN_MODULE when there
 *   is no such file.
 */
export function resolveModulePath(uri: Pick<Pkcs11Uri, 'modulePath' | 'moduleName'>): string {
  if (uri.modulePath !== undefined) {
    assertModuleFile(uri.modulePath);
    return uri.modulePath;
  }
  if (uri.moduleName !== undefined) {
    return pathOfName(uri.moduleName);
  }
  throw new AppError('KEY_URI', 'pkcs11 URI: no module is named', {
    hint: `add ?module-path=/PATH or ?module-name=NAME (--module, --module-name); names are ${listModuleNames().join(', ')}`,
  });
}

/** The names that have a profile. */
export function listModuleNames(): string[] {
  return readdirSync(PROFILES_DIRECTORY)
    .filter((file) => file.endsWith(PROFILE_SUFFIX))
    .map((file) => file.slice(0, -PROFILE_SUFFIX.length))
    .sort();
}

function pathOfName(name: string): string {
  // Compared, never joined to a path unseen: the name cannot lead out of the directory.
  if (!listModuleNames().includes(name)) {
    throw new AppError('KEY_URI', `pkcs11 URI: module-name ${JSON.stringify(name)} is not known`, {
      hint: `known names are ${listModuleNames().join(', ')}; or give module-path=/PATH`,
    });
  }
  const text = readFileSync(`${PROFILES_DIRECTORY}${name}${PROFILE_SUFFIX}`, 'utf8');
  const { paths, package: packageName } = v.parse(profile, JSON.parse(text));
  const found = paths.find(isFile);
  if (found === undefined) {
    throw new AppError(
      'TOKEN_MODULE',
      `module: ${name} is not installed: no ${paths.join(', no ')}`,
      {
        hint: `on Debian: apt-get install ${packageName}; elsewhere give module-path=/PATH`,
      },
    );
  }
  return found;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function assertModuleFile(path: string): void {
  try {
    if (statSync(path).isFile()) {
      return;
    }
  } catch (error) {
    const problem = systemCodeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new AppError('TOKEN_MODULE', `module: ${path}: ${problem}`, { cause: error });
  }
  throw new AppError('TOKEN_MODULE', `module: ${path}: not a regular file`);
}
