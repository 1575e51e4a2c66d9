import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { ProblemList } from '../../../src/config/problems.js';
import { SettingReader } from '../../../src/config/setting-reader.js';
import { AppError } from '../../../src/lib/errors.js';

const TEXT = 'gpg = "gpg"\n\n[[listen]]\nsocket = "x"\n\n[account.7]\nkeyid = "y"\n';

interface Bed {
  readonly reader: SettingReader;
  readonly problems: () => readonly string[];
}

function bed(options: readonly string[] = [], hasStateFolder = true): Bed {
  const list = new ProblemList('x.toml', TEXT);
  const specifiers = new Map([
    ['S', hasStateFolder ? '/state' : undefined],
    ['%', '%'],
  ]);
  return {
    reader: new SettingReader(list, specifiers, new Set(options)),
    problems: () => {
      try {
        list.throwIfAny();
        return [];
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'CONFIG_INVALID');
        return error.message.split('\n');
      }
    },
  };
}

describe('SettingReader', () => {
  it('has no problem where nothing was refused', () => {
    const { reader, problems } = bed();
    assert.equal(reader.path('socket', '%S/x%%'), '/state/x%');
    assert.equal(reader.expand('socket', undefined), undefined);
    assert.deepEqual(reader.command('gpg', "gpg 'a b'"), ['gpg', 'a b']);
    assert.deepEqual(reader.expandedCommand('signer-command', '%S/ssh %S'), [
      '/state/ssh',
      '/state',
    ]);
    assert.deepEqual(problems(), []);
  });

  it('gives each problem its file, line and key, in the order of the lines', () => {
    const { reader, problems } = bed();
    reader.in('account.7').refuse('keyid', 'is wrong');
    reader.in('listen.0').refuse('socket', 'is wrong');
    reader.in('listen.0').refuseSection('is empty');
    reader.refuse('gpg', 'is wrong');
    assert.deepEqual(problems(), [
      'x.toml:1: gpg: is wrong',
      'x.toml:3: listen 1: is empty',
      'x.toml:4: listen 1: socket: is wrong',
      'x.toml:7: account.7.keyid: is wrong',
    ]);
  });

  it('blames the option that stands in the place of a setting, and no line', () => {
    const { reader, problems } = bed(['gpg', 'socket']);
    reader.refuse('gpg', 'is wrong');
    reader.refuseOption('names', 'is missing');
    reader.in('listen.0').refuse('socket', 'is wrong');
    assert.deepEqual(problems(), [
      'command line: --gpg: is wrong',
      'command line: --names: is missing',
      'x.toml:4: listen 1: socket: is wrong',
    ]);
  });

  it('reads on after a value that cannot be read, with its hint in parentheses', () => {
    const { reader, problems } = bed();
    assert.equal(reader.path('socket', 'x'), 'x');
    assert.equal(reader.path('logfile', '%Z'), '');
    assert.deepEqual(reader.command('gpg', 'bin/gpg'), ['bin/gpg']);
    const number = reader.attempt('port', 80, () => {
      throw new AppError('CONFIG_INVALID', 'is none', { hint: 'write 80' });
    });
    assert.equal(number, 80);
    assert.deepEqual(problems(), [
      'x.toml: socket: "x" is not an absolute path',
      'x.toml: logfile: "%Z" has the unknown specifier %Z (a literal percent sign is written %%)',
      'x.toml: port: is none (write 80)',
      'x.toml:1: gpg: the program of the command is neither a bare name nor an absolute path',
    ]);
  });

  it('keeps what a schema accepts of a section', () => {
    const { reader, problems } = bed();
    const schema = v.strictObject({ socket: v.optional(v.string()), mode: v.optional(v.string()) });
    const read = reader.in('listen.0').check({ socket: 7, mode: '0600', sock: 'x' }, schema);
    assert.deepEqual(read, { mode: '0600' });
    assert.deepEqual(problems(), [
      'x.toml:3: listen 1: sock: unknown setting; is socket meant?',
      'x.toml:4: listen 1: socket: expected string, got number',
    ]);
  });

  it('takes the state directory that is named, else of the service, else the default', () => {
    const fallback = '%S/claviger';
    const { reader, problems } = bed();
    const of = (named?: string, ofService?: string): string | undefined =>
      reader.stateDirectory({ named, ofService, fallback });
    assert.equal(of('%S/other', '/made'), '/state/other');
    assert.equal(of(undefined, '/made'), '/made');
    assert.equal(of(), '/state/claviger');
    assert.deepEqual(problems(), []);
    assert.equal(of('other'), 'other');
    assert.deepEqual(problems(), ['x.toml: state-directory: "other" is not an absolute path']);
  });

  it('has no state directory for a user without a home', () => {
    const { reader, problems } = bed([], false);
    const places = { named: undefined, fallback: '%S/claviger' };
    assert.equal(reader.stateDirectory({ ...places, ofService: undefined }), undefined);
    assert.equal(reader.stateDirectory({ ...places, ofService: '/made' }), '/made');
    assert.deepEqual(problems(), []);
  });
});
