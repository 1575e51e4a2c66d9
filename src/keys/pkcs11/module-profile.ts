// Reads the profiles of PKCS#11 modules: data in native-config/modules, one file a module. Runs in
// the daemon. Trusts these files: they are part of the program. Quirks of modules stand there, not
// in the code.

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
  /** False: written from public documentation alone, never run. */
  tested: v.boolean(),
  /** What else `module-name=` may say. */
  aliases: v.array(v.string()),
  /** Where the module comes from, by distribution, or `vendor`. */
  packages: v.record(v.string(), v.string()),
  /**
   * Paths per distribution, with {multiarch} and {lib} of native-config/architectures.json; the
   * first that exists is taken.
   */
  libraries: v.record(v.string(), v.array(v.pipe(v.string(), v.startsWith('/')))),
  /** Variables the module reads: names, and beginnings of names with a star at their end. */
  environment: v.array(v.string()),
  /** Default for the number of helper processes. */
  helpers: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** CK_C_INITIALIZE_ARGS.pReserved; {NAME} stands for a variable, with its default. */
  initialize: v.optional(
    v.strictObject({ parameters: v.string(), defaults: v.record(v.string(), v.string()) }),
  ),
  /** Where its configuration is, and who may read it: a hint for when it does not start. */
  configuration: v.optional(v.string()),
  /** True where the module has no read-only sessions. */
  readWriteSessions: v.optional(v.boolean()),
  /**
   * Attributes to leave out when a key is made: modules refuse some, or read them in their own way.
   */
  generateOmits: v.optional(v.array(v.picklist(GENERATED_ATTRIBUTES))),
  /** Key types that the module offers and that do not work, with the reason. */
  broken: v.optional(v.record(v.picklist(KEY_TYPES), v.string())),
  notes: v.array(v.string()),
  /** Public documentation the profile was made from. */
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
 * Where the module may be on a machine, in the order in which they are tried.
 * @param machine as Node names it; of one without a known triplet only plain paths are left.
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
