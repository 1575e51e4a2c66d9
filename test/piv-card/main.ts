// The process of the virtual cards: reads commands from standard input, a JSON object a line, and
// answers each with a line. Its arguments are the ports of vpcd's slots. It ends when standard
// input does.

import { createInterface } from 'node:readline';
import { parseCommand, type Command } from './commands.js';
import { ReaderLink } from './reader-link.js';
import { VirtualCard } from './virtual-card.js';

const cards = new Map<string, VirtualCard>();
const readers = process.argv.slice(2).map((port) => new ReaderLink(Number(port)));

function cardOf(name: string): VirtualCard {
  const card = cards.get(name);
  if (card === undefined) {
    throw new Error(`no such card: ${name}`);
  }
  return card;
}

function readerOf(index: number): ReaderLink {
  const reader = readers[index];
  if (reader === undefined) {
    throw new Error(`no such reader: ${index}`);
  }
  return reader;
}

function run(command: Command): unknown {
  switch (command.command) {
    case 'make': {
      const card = new VirtualCard(command);
      cards.set(command.name, card);
      return card.publicKeys();
    }
    case 'insert':
      readerOf(command.reader).insert(cardOf(command.name));
      return null;
    case 'remove':
      readerOf(command.reader).remove();
      return null;
    case 'touch':
      cardOf(command.name).touch.delayMs = command.delayMs ?? undefined;
      return null;
    case 'give-up':
      cardOf(command.name).touch.giveUp();
      return null;
    case 'statistics':
      return cardOf(command.name).statistics();
  }
}

function answer(line: string): void {
  const { id, command } = parseCommand(line);
  let reply: Record<string, unknown>;
  try {
    reply = { id, result: run(command) };
  } catch (error) {
    reply = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

process.stdout.write('ready\n');
createInterface({ input: process.stdin })
  .on('line', answer)
  .on('close', () => process.exit(0));
