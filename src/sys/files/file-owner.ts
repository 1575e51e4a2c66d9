// Who may own what a process relies on, and what to do where somebody else does. Any process. The
// commands in hints do no harm when they are run as they are written.

import type { Stats } from 'node:fs';
import { effectiveUserId, userName } from '../user.js';

type Owner = Pick<Stats, 'uid'>;

const ROOT = 0;

/** The one rule: what a process relies on belongs to root or to the user it runs as. */
export function isTrustedOwner({ uid }: Owner, userId: number): boolean {
  return uid === ROOT || uid === userId;
}

/** Why an owner is not trusted, to follow `it` or a path. */
export function foreignOwnerProblem({ uid }: Owner): string {
  return `belongs to user ID ${uid}, neither root nor this process's user`;
}

/**
 * Makes a secret this user's alone. A plain chmod of root's file would shut a service's user out.
 */
export function privateFileAdvice(path: string, { uid }: Owner): string {
  const isOwn = uid === effectiveUserId();
  return isOwn ? `chmod 0600 ${path}` : `chown ${userName()} ${path} && chmod 0600 ${path}`;
}

/** For a file of a third user: mostly, root looks at what is a service's. */
export function foreignOwnerAdvice({ uid }: Owner): string | undefined {
  return effectiveUserId() === ROOT
    ? `if the daemon runs as user ID ${uid}, run this as that user too, with the same file named by --config`
    : undefined;
}

/** A folder of which others can change the content: never chmod, for it may be a whole system's. */
export function sharedFolderAdvice(directory: string): string {
  return (
    `${directory} stays as it is: name a folder that is for this alone, below /run, /var/lib or /etc; ` +
    `to make one: install -d -m 0700 -o ${userName()} FOLDER`
  );
}
