// What both programs read from their environment: user, group, directories. Other folders get it as
// parameters. Runs in clavigerd and claviger.

import type { SpecifierEnvironment } from '../../config/specifiers.js';
import { findGroupName } from '../../sys/group-database.js';
import { effectiveUserId, userEntry } from '../../sys/user.js';

/**
 * The process's user and variables, for %-specifiers. A user without a database entry has no name.
 */
export function readSpecifierEnvironment(env: NodeJS.ProcessEnv): SpecifierEnvironment {
  const uid = effectiveUserId();
  const gid = process.getegid?.() ?? 0;
  const user = userEntry();
  return {
    uid,
    gid,
    userName: user?.username,
    groupName: findGroupName(gid),
    homeDirectory: user?.homedir,
    variables: env,
  };
}

/** The first of the folders systemd made for the service by StateDirectory= (systemd.exec(5)). */
export function readStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const [first] = (env['STATE_DIRECTORY'] ?? '').split(':');
  return first?.startsWith('/') === true ? first : undefined;
}
