// Where the programs under test are, as they are shipped. Used by test processes only.

import { fileURLToPath } from 'node:url';

/** The checkout's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export const CLAVIGERD = fileURLToPath(new URL('../../bin/cli/clavigerd.js', import.meta.url));
export const CLAVIGER = fileURLToPath(new URL('../../bin/cli/claviger.js', import.meta.url));
