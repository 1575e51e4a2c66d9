// Where the files of this package are, for every program of it. Any process. The one place that
// knows how deep the running code is: a compiled file of this folder, or a bundle or its chunk,
// each one folder below the programs.

import { fileURLToPath } from 'node:url';

/**
 * The path of a file or folder that is shipped beside the programs: `package.json`,
 * `native-config/`.
 */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../../../${name}`, import.meta.url));
}

/** The path of another program of the package: `token/helper.js`. */
export function programFile(name: string): string {
  return fileURLToPath(new URL(`../${name}`, import.meta.url));
}
