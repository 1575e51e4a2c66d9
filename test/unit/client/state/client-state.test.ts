import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { ClientState, type StateKind } from '../../../../src/client/state/client-state.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const NOTE: StateKind<{ readonly text: string }> = {
  name: 'note',
  schema: v.object({ text: v.string() }),
};
const SUBJECT = ['https://ca.example/dir', 'www.example.org'];

interface Opened {
  readonly directory: string;
  readonly state: ClientState;
  readonly told: string[];
}

async function openState(scope: Scope): Promise<Opened> {
  const directory = join(await makeTempDir(scope), 'not-yet', 'state');
  const told: string[] = [];
  const state = new ClientState({ directory, report: (line) => told.push(line) });
  return { directory, state, told };
}

describe('ClientState', () => {
  it('gives back what was written, from private files, and forgets what was removed', async (t) => {
    const { directory, state, told } = await openState(t);
    await state.write(NOTE, SUBJECT, { text: 'first' });
    await state.write(NOTE, SUBJECT, { text: 'second' });
    assert.deepEqual(await state.read(NOTE, SUBJECT), { text: 'second' });
    assert.equal((await stat(directory)).mode & 0o7777, 0o700);
    const [file, ...others] = await readdir(directory);
    assert.match(file ?? '', /^note-[0-9a-f]{32}\.json$/);
    assert.deepEqual(others, []);
    assert.equal((await stat(join(directory, file ?? ''))).mode & 0o7777, 0o600);
    await state.remove(NOTE, SUBJECT);
    await state.remove(NOTE, SUBJECT);
    assert.equal(await state.read(NOTE, SUBJECT), undefined);
    assert.deepEqual([await readdir(directory), told], [[], []]);
  });

  it('tells subjects and kinds apart, however their parts are cut', async (t) => {
    const { state } = await openState(t);
    await state.write(NOTE, ['a', 'bc'], { text: 'a, bc' });
    await state.write(NOTE, ['ab', 'c'], { text: 'ab, c' });
    assert.deepEqual(await state.read(NOTE, ['a', 'bc']), { text: 'a, bc' });
    assert.equal(await state.read({ ...NOTE, name: 'other' }, ['a', 'bc']), undefined);
  });

  it('makes no folder for reading', async (t) => {
    const { directory, state } = await openState(t);
    assert.equal(await state.read(NOTE, SUBJECT), undefined);
    await state.remove(NOTE, SUBJECT);
    await assert.rejects(stat(directory), { code: 'ENOENT' });
  });

  it('takes a damaged file, one of another shape, a link and a huge one for absent, and says so', async (t) => {
    const { directory, state, told } = await openState(t);
    await state.write(NOTE, SUBJECT, { text: 'good' });
    const path = state.pathOf(NOTE, SUBJECT) ?? '';
    for (const content of [
      '',
      '{"text":',
      '{"text":1}',
      '{"text":"a","text":"b"}',
      'x'.repeat(600_000),
    ]) {
      await writeFile(path, content);
      assert.equal(await state.read(NOTE, SUBJECT), undefined, content.slice(0, 20));
      assert.match(told.pop() ?? '', /^[^:]+note-[0-9a-f]+\.json: not usable, and ignored: /);
    }
    const elsewhere = join(directory, 'elsewhere');
    await writeFile(elsewhere, '{"text":"foreign"}');
    await state.remove(NOTE, SUBJECT);
    await symlink(elsewhere, path);
    assert.equal(await state.read(NOTE, SUBJECT), undefined);
    // Writing replaces the link, not what it leads to.
    await state.write(NOTE, SUBJECT, { text: 'new' });
    assert.equal(await readFile(elsewhere, 'utf8'), '{"text":"foreign"}');
    assert.deepEqual(await state.read(NOTE, SUBJECT), { text: 'new' });
  });

  it('neither reads nor writes in a folder that others can change, and tells it once', async (t) => {
    const { directory, state, told } = await openState(t);
    await state.write(NOTE, SUBJECT, { text: 'good' });
    await chmod(directory, 0o777);
    const later = new ClientState({ directory, report: (line) => told.push(line) });
    assert.equal(await later.read(NOTE, SUBJECT), undefined);
    await later.write(NOTE, ['other'], { text: 'x' });
    assert.equal((await readdir(directory)).length, 1);
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /^nothing is remembered from this run: insecure permissions on /);
  });

  it('goes on without a folder, or where none can be made', async (t) => {
    const unexpected: string[] = [];
    const none = new ClientState({ directory: undefined, report: (line) => unexpected.push(line) });
    await none.write(NOTE, SUBJECT, { text: 'x' });
    assert.equal(await none.read(NOTE, SUBJECT), undefined);
    assert.deepEqual(unexpected, []);
    const parent = await makeTempDir(t);
    await mkdir(join(parent, 'd'));
    await writeFile(join(parent, 'd/file'), '');
    const told: string[] = [];
    const directory = join(parent, 'd/file/state');
    const state = new ClientState({ directory, report: (line) => told.push(line) });
    await state.write(NOTE, SUBJECT, { text: 'x' });
    assert.match(
      told.join('\n'),
      /^nothing is remembered from this run: state directory: .*not a directory/,
    );
  });
});
