// Secrets that options of `clavigerd key` name.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNewPin, readPinFrom, tokenPinFrom } from '../../../../src/cli/key/secret-sources.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { Secret } from '../../../../src/lib/secret.js';
import { appErrorOf } from '../../../support/app-error.js';

interface Fixture {
  readonly context: KeyContext;
  readonly questions: string[];
}

/** A person who gives these answers. */
function makeContext(...answers: string[]): Fixture {
  const questions: string[] = [];
  const prompt = (question: string): Promise<Secret> => {
    questions.push(question);
    return Promise.resolve(Secret.fromText(answers.shift() ?? ''));
  };
  return { context: { env: { MY_PIN: '1234' }, prompt, log: () => undefined }, questions };
}

function textOf(secret: Secret): string {
  return secret.use((bytes) => bytes.toString());
}

const TYPED = { option: 'new-pin-source', source: undefined };

describe('a secret of an option', () => {
  it('is read from the source that the option names, else typed', async () => {
    const { context, questions } = makeContext('typed');
    const option = { option: 'so-pin-source', source: 'env:MY_PIN' };
    assert.equal(textOf(await readPinFrom(option, 'SO PIN', context)), '1234');
    assert.deepEqual(questions, []);
    assert.equal(textOf(await readPinFrom(TYPED, 'SO PIN', context)), 'typed');
    assert.deepEqual(questions, ['SO PIN']);
    assert.equal(tokenPinFrom(option, 'SO PIN', context).name, 'env:MY_PIN');
  });

  it('is refused by the name of the option, as a usage error', async () => {
    const { context } = makeContext();
    const option = { option: 'so-pin-source', source: '1234' };
    const error = await appErrorOf(() => tokenPinFrom(option, 'SO PIN', context), 'CONFIG_USAGE');
    assert.match(error.message, /^--so-pin-source: is a number, /);
    assert.match(error.hint ?? '', /^--so-pin-source is file:/);
    assert.doesNotMatch(error.message, /1234/);
  });
});

describe('a new PIN', () => {
  it('that is typed is asked for twice', async () => {
    const { context, questions } = makeContext('4711', '4711');
    assert.equal(textOf(await readNewPin(TYPED, 'New PIN', context)), '4711');
    assert.deepEqual(questions, ['New PIN', 'New PIN, once more']);
  });

  it('is refused when the answers differ', async () => {
    const { context } = makeContext('4711', '4712');
    const error = await appErrorOf(() => readNewPin(TYPED, 'New PIN', context), 'KEY_PIN');
    assert.equal(error.message, 'PIN: the two answers differ');
    assert.equal(error.hint, 'nothing was changed');
  });

  it('from another source is read once', async () => {
    const { context, questions } = makeContext();
    const option = { option: 'new-pin-source', source: 'env:MY_PIN' };
    assert.equal(textOf(await readNewPin(option, 'New PIN', context)), '1234');
    assert.deepEqual(questions, []);
  });
});
