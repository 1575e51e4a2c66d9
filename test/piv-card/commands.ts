// The commands that a test sends to the process of the virtual cards, one JSON object a line;
// parsed by that process.

import { KEY_TYPES, type CardKeyType } from './card-key.js';
import { KEY_SLOTS, type KeySlotName } from './slot.js';
import type { CardOptions } from './virtual-card.js';

export type Command =
  | ({ readonly command: 'make'; readonly name: string } & CardOptions)
  | { readonly command: 'insert'; readonly name: string; readonly reader: number }
  | { readonly command: 'remove'; readonly reader: number }
  /** Null: the touch never comes. */
  | { readonly command: 'touch'; readonly name: string; readonly delayMs: number | null }
  | { readonly command: 'give-up'; readonly name: string }
  | { readonly command: 'statistics'; readonly name: string };

interface NumberedCommand {
  readonly id: number;
  readonly command: Command;
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws TypeError when it is no command. */
export function parseCommand(line: string): NumberedCommand {
  const fields = toFields(JSON.parse(line), 'command');
  return { id: numberOf(fields, 'id'), command: commandOf(fields) };
}

function commandOf(fields: Fields): Command {
  const command = textOf(fields, 'command');
  switch (command) {
    case 'make':
      return {
        command,
        name: textOf(fields, 'name'),
        serial: numberOf(fields, 'serial'),
        pin: textOf(fields, 'pin'),
        puk: textOf(fields, 'puk'),
        keys: keysOf(fields),
      };
    case 'insert':
      return { command, name: textOf(fields, 'name'), reader: numberOf(fields, 'reader') };
    case 'remove':
      return { command, reader: numberOf(fields, 'reader') };
    case 'touch': {
      const delayMs = fields['delayMs'] === null ? null : numberOf(fields, 'delayMs');
      return { command, name: textOf(fields, 'name'), delayMs };
    }
    case 'give-up':
    case 'statistics':
      return { command, name: textOf(fields, 'name') };
    default:
      throw new TypeError(`no such command: ${command}`);
  }
}

function keysOf(fields: Fields): CardOptions['keys'] {
  const given = toFields(fields['keys'], 'keys');
  const keys: Partial<Record<KeySlotName, CardKeyType>> = {};
  for (const name of KEY_SLOTS) {
    const type = given[name];
    const known = KEY_TYPES.find((candidate) => candidate === type);
    if (known !== undefined) {
      keys[name] = known;
    } else if (type !== undefined) {
      throw new TypeError(`no such type of key in ${name}`);
    }
  }
  return keys;
}

function toFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${what} is no object`);
  }
  return { ...value };
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') {
    throw new TypeError(`${name} is no text`);
  }
  return value;
}

function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number') {
    throw new TypeError(`${name} is no number`);
  }
  return value;
}
