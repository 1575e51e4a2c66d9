// Reads the profiles of PKCS#11 modules, one file for each in native-config/modules. Runs in
// clavigerd and its commands. The files are part of this package and trusted as its code is. What
// is special about a module belongs there and not into the code.

import { readdirSync, readFileSync } from 'node:fs';
import { arch } from 'node:os';
import * as v from 'valibot';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import { packageFile } from '../../sys/package-files.js';
import { GENERATED_ATTRIBUTES, KEY_TYPES } from '../../token/messages.js';

const NATIVE_CONFIG = packageFile('native-config/');
const PROFILES_DIRECTORY = `${NATIVE_CONFIG}modules/`;
const PROFILE_SUFFIX = '.json';

const profile = v.strictObject({
  title: v.string(),
  /** False for a profile that was written from public documentation and never tried. */
  tested: v.boolean(),
  /** Other values of `module-name=` for it. */
  aliases: v.array(v.string()),
  /** The package with the module, by distribution, or `vendor`. */
  packages: v.record(v.string(), v.string()),
  /**
   * Paths by distribution, with {multiarch} and {lib} of native-config/architectures.json; the
   * first that exists is used.
   */
  libraries: v.record(v.string(), v.array(v.pipe(v.string(), v.startsWith('/')))),
  /** Environment variables that the module reads: names, and prefixes that end with a star. */
  environment: v.array(v.string()),
  /** Default for the number of helper processes. */
  helpers: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** CK_C_INITIALIZE_ARGS.pReserved; {NAME} stands for a variable, with its default. */
  initialize: v.optional(
    v.strictObject({ parameters: v.string(), defaults: v.record(v.string(), v.string()) }),
  ),
  /** Where its configuration is and who may read it: a hint when C_Initialize fails. */
  configuration: v.optional(v.string()),
  /** True when the module has no read-only sessions. */
  readWriteSessions: v.optional(v.boolean()),
  /**
   * Attributes to leave out of C_GenerateKeyPair: modules refuse some, or interpret them otherwise.
   */
  generateOmits: v.optional(v.array(v.picklist(GENERATED_ATTRIBUTES))),
  /** Key types that the module offers although they do not work, with the reason. */
  broken: v.optional(v.record(v.picklist(KEY_TYPES), v.string())),
  notes: v.array(v.string()),
  /** The public documentation that the profile was written from. */
  sources: v.array(v.string()),
});

const architecture = v.strictObject({ multiarch: v.string(), lib: v.string() });

export type ModuleProfile = v.InferOutput<typeof profile> & { readonly name: string };

let profiles: readonly ModuleProfile[] | undefined;

/** Every profile, by name. */
export function moduleProfiles(): readonly ModuleProfile[] {
  profiles ??= readdirSync(PROFILES_DIRECTORY)
    .filter((file) => file.endsWith(PROFILE_SUFFIX))
    .sort()
    .map((file) => ({
      name: file.slice(0, -PROFILE_SUFFIX.length),
      ...v.parse(profile, readJson(`${PROFILES_DIRECTORY}${file}`)),
    }));
  return profiles;
}

/**
 * The paths at which the module may be, in the order in which they are tried.
 * @param machine as Node names it; where its triplet is not known, paths that need one are left
 *   out.
 */
export function libraryPaths({ libraries }: ModuleProfile, machine: string = arch()): string[] {
  const known = v.parse(
    v.record(v.string(), architecture),
    readJson(`${NATIVE_CONFIG}architectures.json`),
  )[machine];
  const paths = Object.values(libraries)
    .flat()
    .map((path) =>
      known === undefined
        ? path
        : path.replace('{multiarch}', known.multiarch).replace('{lib}', known.lib),
    );
  return [...new Set(paths)].filter((path) => !path.includes('{'));
}

function readJson(path: string): unknown {
  return parseStrictJson(readFileSync(path));
}
