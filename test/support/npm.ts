// npm as a user has it, for the tests of what users install.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What the npm that runs the tests gave its children is taken away. */
export function npmEnvironment(): Record<string, string | undefined> {
  const inherited = Object.keys(process.env).filter((name) => /^npm_/i.test(name));
  const prefix = resolve(process.execPath, '../..');
  return {
    ...Object.fromEntries(inherited.map((name) => [name, undefined])),
    // With the headers of this very Node at hand, node-gyp has nothing to download.
    ...(existsSync(join(prefix, 'include/node/node.h')) ? { npm_config_nodedir: prefix } : {}),
  };
}
