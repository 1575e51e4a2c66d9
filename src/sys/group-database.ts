// The group database as far as Node can see it: /etc/group (group(5)). Any process, at start.
// Groups of other sources (LDAP, systemd) can be named by their number only.

import { readFileSync } from 'node:fs';

const GROUP_FILE = '/etc/group';
/** The highest is (gid_t)-1, which means none. */
const MAX_GROUP_ID = 0xff_ff_ff_fe;

interface Group {
  readonly name: string;
  readonly id: number;
}

/** The number of a group, by its name or its number; undefined for an unknown name. */
export function findGroupId(nameOrNumber: string): number | undefined {
  if (/^\d{1,10}$/.test(nameOrNumber)) {
    const id = Number(nameOrNumber);
    return id <= MAX_GROUP_ID ? id : undefined;
  }
  return readGroups().find(({ name }) => name === nameOrNumber)?.id;
}

/** The name of a group; undefined for an unknown one. */
export function findGroupName(groupId: number): string | undefined {
  return readGroups().find(({ id }) => id === groupId)?.name;
}

/** The file is root's, so trusted; one that cannot be read counts as empty. */
function readGroups(): readonly Group[] {
  try {
    // Byte for byte: two names that are no UTF-8 must not become one.
    return readFileSync(GROUP_FILE, 'latin1').split('\n').flatMap(parseLine);
  } catch {
    return [];
  }
}

function parseLine(line: string): readonly Group[] {
  const [name, , id] = line.split(':');
  const isEntry = name !== undefined && name !== '' && id !== undefined && /^\d+$/.test(id);
  return isEntry ? [{ name: nameOf(name), id: Number(id) }] : [];
}

/**
 * A name in UTF-8 as text; another one stays as its bytes, which no configuration file can spell.
 */
function nameOf(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? bytes : text;
}
