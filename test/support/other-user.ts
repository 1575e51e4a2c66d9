// Programs run as another user than root, by real user and group IDs that need no entry anywhere.
// Used by test processes only; they run as root for it.

export interface OtherUser {
  readonly id: number;
  readonly groups: readonly number[];
}

/**
 * The command that runs a command as this user. It may read all there is, for the checkout may be
 * in a folder of root's; that opens no socket, for which the right to write is needed.
 */
export function asUser({ id, groups }: OtherUser, command: readonly string[]): readonly string[] {
  const others = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`;
  const reading = ['--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search'];
  return ['setpriv', `--reuid=${id}`, `--regid=${id}`, others, ...reading, '--', ...command];
}
