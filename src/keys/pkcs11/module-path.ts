// Finds the shared library that a `pkcs11:` URI names, by its module-path or by the profile of its
// module-name, and the quirks of that module. Runs in clavigerd and its commands. It checks who can
// write the file, since a token helper will execute it; it loads nothing itself.

import { closeSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { AppError, isAppError, messageOf, rephrase, systemCodeOf } from '../../lib/errors.js';
import type { GeneratedKeyType, ModuleQuirks } from '../../token/messages.js';
import { openUnwritableByOthers } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';
import { libraryPaths, moduleProfiles, type ModuleProfile } from './module-profile.js';
import type { Pkcs11Uri } from './uri.js';

/** A module without a profile may drive a smartcard, for which one process is right. */
const DEFAULT_HELPERS = 1;

export interface Pkcs11Module {
  /** Absolute path of the shared library. */
  readonly path: string;
  /** The name of its profile; undefined for a library without one. */
  readonly name: string | undefined;
  /** Default for the number of helper processes. */
  readonly helpers: number;
  readonly quirks: ModuleQuirks;
  /** Key types that it cannot generate correctly, with the reason. */
  readonly broken: Readonly<Partial<Record<GeneratedKeyType, string>>>;
}

/**
 * The module of a URI. A module-path gets the quirks of the profile that lists a library of that
 * file name.
 * @param env values of the variables in a profile's parameters.
 * @throws AppError KEY_URI when the URI names none, or a name without a profile; TOKEN_MODULE when
 *   there is no such file; SYS_UNSAFE_PATH when others could put their own code there.
 */
export function resolveModule(
  uri: Pick<Pkcs11Uri, 'modulePath' | 'moduleName'>,
  env: NodeJS.ProcessEnv,
): Pkcs11Module {
  if (uri.modulePath !== undefined) {
    assertModuleFile(uri.modulePath);
    return moduleOf(uri.modulePath, profileOfPath(uri.modulePath), env);
  }
  if (uri.moduleName !== undefined) {
    const profile = profileOfName(uri.moduleName);
    const path = installedPath(profile);
    assertModuleFile(path);
    return moduleOf(path, profile, env);
  }
  throw new AppError('KEY_URI', 'pkcs11 URI: no module is named', {
    hint: `add ?module-path=/PATH or ?module-name=NAME (--module, --module-name); names are ${knownNames()}`,
  });
}

/**
 * @throws AppError TOKEN_KEY_UNSUPPORTED for a type of key that is known not to work with the
 *   module.
 */
export function assertTypeWorks({ name, broken }: Pkcs11Module, type: GeneratedKeyType): void {
  const reason = broken[type];
  if (reason !== undefined) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: ${type} does not work with ${name ?? 'it'}`, {
      hint: reason,
    });
  }
}

function knownNames(): string {
  return moduleProfiles()
    .map(({ name }) => name)
    .join(', ');
}

function profileOfName(wanted: string): ModuleProfile {
  const found = moduleProfiles().find(
    ({ name, aliases }) => name === wanted || aliases.includes(wanted),
  );
  if (found === undefined) {
    throw new AppError(
      'KEY_URI',
      `pkcs11 URI: module-name ${JSON.stringify(wanted)} is not known`,
      { hint: `known names are ${knownNames()}; or give module-path=/PATH` },
    );
  }
  return found;
}

/** Compares file names without their versions: `libykcs11.so.2.2.0` is `libykcs11.so`. */
function profileOfPath(path: string): ModuleProfile | undefined {
  const nameOf = (file: string): string => basename(file).replace(/\.so\.[0-9.]+$/, '.so');
  // The tested profile first: Nitrokey HSM lists the module of OpenSC, which has its own profile.
  const profiles = [...moduleProfiles()].sort((a, b) => Number(b.tested) - Number(a.tested));
  return profiles.find(({ libraries }) =>
    Object.values(libraries)
      .flat()
      .some((known) => nameOf(known) === nameOf(path)),
  );
}

function installedPath(profile: ModuleProfile): string {
  const paths = libraryPaths(profile);
  const found = paths.find(isFile);
  if (found === undefined) {
    const where = Object.entries(profile.packages)
      .map(([system, name]) => `${system}: ${name}`)
      .join('; ');
    throw new AppError(
      'TOKEN_MODULE',
      `module: ${profile.name} is not installed: no ${paths.join(', no ')}`,
      { hint: `${profile.title} comes in packages (${where}); elsewhere give module-path=/PATH` },
    );
  }
  return found;
}

function moduleOf(
  path: string,
  profile: ModuleProfile | undefined,
  env: NodeJS.ProcessEnv,
): Pkcs11Module {
  const { initialize, configuration, generateOmits, readWriteSessions } = profile ?? {};
  return {
    path,
    name: profile?.name,
    helpers: profile?.helpers ?? DEFAULT_HELPERS,
    broken: profile?.broken ?? {},
    quirks: {
      ...(initialize && { parameters: parametersOf(initialize, env) }),
      ...(configuration !== undefined && { configuration }),
      ...(generateOmits && { generateOmits }),
      ...(readWriteSessions && { readWriteSessions }),
    },
  };
}

/** Puts values of variables into the string that the module parses, within its quotes. */
function parametersOf(
  { parameters, defaults }: NonNullable<ModuleProfile['initialize']>,
  env: NodeJS.ProcessEnv,
): string {
  return parameters.replace(/\{([A-Z0-9_]+)\}/g, (_, name: string) => {
    const value = env[name] ?? defaults[name] ?? '';
    if (/['"\\\p{Cc}]/u.test(value) || value.length > 1024) {
      throw new AppError('TOKEN_MODULE', `module: ${name}: a character in it cannot be passed on`, {
        hint: 'quotes, backslashes and control characters cannot stand in the path of a database',
      });
    }
    return value;
  });
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
      closeSync(openUnwritableByOthers(path, effectiveUserId()));
      return;
    }
  } catch (error) {
    if (isAppError(error)) {
      throw rephrase(error, { message: `module: ${error.message}` });
    }
    const problem = systemCodeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new AppError('TOKEN_MODULE', `module: ${path}: ${problem}`, { cause: error });
  }
  throw new AppError('TOKEN_MODULE', `module: ${path}: not a regular file`);
}
