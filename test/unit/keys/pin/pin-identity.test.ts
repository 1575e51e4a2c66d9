// The identity of a PIN source: when it changes, and that it shows nothing of the PIN.

import assert from 'node:assert/strict';
import { symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { formatPinSource, GONE, identifyPinSource } from '../../../../src/keys/pin/pin-identity.js';
import { parsePinSource } from '../../../../src/keys/pin/pin-source.js';
import { makeTempDir } from '../../../support/temp-dir.js';

describe('identity of a PIN source', () => {
  it('changes with the file: its content, its inode, its times', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'pin');
    const identify = (): string => identifyPinSource(parsePinSource(path), undefined);
    assert.equal(identify(), GONE);
    writeFileSync(path, '1');
    const first = identify();
    assert.equal(identify(), first);
    writeFileSync(path, '2');
    assert.notEqual(identify(), first);
    assert.match(first, /^file:\/.* dev=\d+ ino=\d+ ctime=\d+ mtime=\d+$/);
    unlinkSync(path);
    assert.equal(identify(), GONE);
    symlinkSync('pin', path);
    assert.equal(identify(), `file:${path}`, 'one that cannot be looked at');
  });

  it('of a command is the whole of it', () => {
    const source = parsePinSource('|pass show "my acme"');
    assert.equal(identifyPinSource(source, undefined), '|pass show my acme');
  });

  it('stays with what is made anew at each start, and with what cannot be seen', async (t) => {
    const folder = await makeTempDir(t);
    writeFileSync(join(folder, 'pin'), '1');
    const identify = (text: string): string => identifyPinSource(parsePinSource(text), folder);
    for (const text of [
      `file:${folder}/pin`,
      'credential:pin',
      'env:PIN',
      '|cat /x',
      'pinentry',
      'pinpad',
    ]) {
      const before = identify(text);
      assert.equal(before, text.replace(/^\|cat \/x$/, '|cat /x'));
      writeFileSync(join(folder, 'pin'), '2');
      assert.equal(identify(text), before, text);
    }
    assert.match(identify('prompt'), new RegExp(`process ${process.pid} `));
  });

  it('is shown to people without the arguments of a command', () => {
    assert.equal(formatPinSource(parsePinSource('|pass show acme')), '|pass');
    assert.equal(formatPinSource(parsePinSource('credential:pin')), 'credential:pin');
    assert.equal(formatPinSource(parsePinSource('env:PIN')), 'env:PIN');
    for (const kind of ['pinpad', 'pinentry', 'prompt']) {
      assert.equal(formatPinSource(parsePinSource(kind)), kind);
    }
  });
});
