// The user this process acts as: the one place that asks the system. Any process.

import { userInfo } from 'node:os';

/** The number that decides whose files are ours; where a system has no user IDs, root's. */
export function effectiveUserId(): number {
  return process.geteuid?.() ?? 0;
}

/** The entry in the user database; undefined for a bare user ID, as containers often have. */
export function userEntry(): { readonly username: string; readonly homedir: string } | undefined {
  try {
    return userInfo({ encoding: 'utf8' });
  } catch {
    return undefined;
  }
}

/** The user's name, or the number where there is none. */
export function userName(): string {
  return userEntry()?.username ?? String(effectiveUserId());
}

/** `clavigerd (user ID 999)`, for people. */
export function currentUser(): string {
  const id = String(effectiveUserId());
  const name = userName();
  return name === id ? `user ID ${id}` : `${name} (user ID ${id})`;
}
