import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { splitCommand } from '../../../src/lib/command-words.js';

describe('splitCommand', () => {
  const good: readonly (readonly [string, readonly string[]])[] = [
    ['ssh -T host clavigerd --stdio', ['ssh', '-T', 'host', 'clavigerd', '--stdio']],
    ['  a \t b\n', ['a', 'b']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a'b'"c"d`, ['abcd']],
    [`a "b\\"c" 'd\\e'`, ['a', 'b"c', 'd\\e']],
    [`a "b\\\\c\\d"`, ['a', 'b\\c\\d']],
    ['a b\\ c', ['a', 'b c']],
    [`a '' ""`, ['a', '', '']],
    ['a $HOME `id` ; | & > * ~', ['a', '$HOME', '`id`', ';', '|', '&', '>', '*', '~']],
  ];
  for (const [text, words] of good) {
    it(JSON.stringify(text), () => {
      assert.deepEqual(splitCommand(text), words);
    });
  }

  for (const text of ['', '   ', `''`, `a 'b`, `a "b`, 'a "b\\"', 'a\\']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => splitCommand(text), { code: 'CONFIG_INVALID' });
    });
  }
});
