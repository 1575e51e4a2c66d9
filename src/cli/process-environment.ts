// What the command line programs take from the process around them, read once: user, directories.
// The rest of the code gets it as parameters.

import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { SpecifierEnvironment } from '../config/specifiers.js';

/** The process's user and variables, for %-specifiers. A user without a database entry has no name. */
export function readSpecifierEnvironment(env: NodeJS.ProcessEnv): SpecifierEnvironment {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const user = userEntry();
  return {
    uid,
    gid,
    userName: user?.username,
    groupName: groupNameOf(gid),
    homeDirectory: user?.homedir,
    variables: env,
  };
}

function userEntry(): { username: string; homedir: string } | undefined {
  try {
    return userInfo();
  } catch {
    return undefined; // a bare user ID, in a container for instance
  }
}

/** Node cannot ask the group database; local groups are in /etc/group (group(5)). */
function groupNameOf(gid: number): string | undefined {
  try {
    const lines = readFileSync('/etc/group', 'utf8').split('\n');
    return lines.map((line) => line.split(':')).find((parts) => parts[2] === String(gid))?.[0];
  } catch {
    return undefined;
  }
}

/** The first of the folders systemd made for the service by StateDirectory= (systemd.exec(5)). */
export function readStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const [first] = (env['STATE_DIRECTORY'] ?? '').split(':');
  return first?.startsWith('/') === true ? first : undefined;
}
