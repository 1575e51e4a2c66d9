// Run by `npm run build`, after the compiler: makes few files of many, so that the programs start
// faster. Loading a module costs Node about half a millisecond, whatever is in it, and the daemon
// starts twice in a row: itself, and then its token helper. Nothing is renamed or shortened: what
// runs can be read. Source maps lead `node --enable-source-maps` from there to the TypeScript;
// `--release`, for the package, leaves them out, since it holds no TypeScript either.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';

const IS_RELEASE = process.argv.includes('--release');
const COMPILED = 'dist/src';
const BUNDLED = 'dist/bin';
/** Each by the module it begins with, which refuses an old Node before the rest is loaded. */
const PROGRAMS = [
  { from: 'cli/start-clavigerd.js', to: 'cli/clavigerd' },
  { from: 'cli/start-claviger.js', to: 'cli/claviger' },
  { from: 'token/start-helper.js', to: 'token/helper' },
] as const;
/** Loaded when they are first needed, if at all, or native: they stay packages of their own. */
const NOT_BUNDLED = ['pkcs11js', 'graphene-pk11', 'openpgp'];
/** Packages in CommonJS ask for Node's modules by `require`. */
const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module';\n" +
  'const require = createRequireOfBundle(import.meta.url);';

/**
 * Each by itself: what programs share, in files of its own, would be more files for each of them.
 */
async function bundle({ from, to }: (typeof PROGRAMS)[number]): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: [{ in: join(COMPILED, from), out: to }],
    outbase: COMPILED,
    // As deep below the root as the compiled files: paths relative to a file stay right.
    outdir: BUNDLED,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: NOT_BUNDLED,
    banner: { js: REQUIRE },
    metafile: true,
    sourcemap: IS_RELEASE ? false : 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  });
  return metafile;
}

/** Folders of the packages whose code is in the bundle. */
function packagesIn(metafiles: readonly Metafile[]): readonly string[] {
  const paths = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const folders = paths.flatMap(
    (path) => /^(?:\.\.\/)*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  return [...new Set(folders)].sort();
}

/** Their licences ask that the text goes along with the code. */
function licenceOf(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file === undefined) {
    throw new Error(`${folder}: no licence file to hand on`);
  }
  const rule = '='.repeat(folder.length);
  return `${folder}\n${rule}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
}

rmSync(BUNDLED, { recursive: true, force: true });
const licences = packagesIn(await Promise.all(PROGRAMS.map(bundle))).map(licenceOf);
writeFileSync(join(BUNDLED, 'THIRD-PARTY-LICENCES.txt'), licences.join('\n\n'));
