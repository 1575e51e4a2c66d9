// How long what a test makes lives. Used by test processes only.
// What was made last ends first: a server stops before the folder it writes to goes away.

import { after } from 'node:test';

type CleanUp = () => Promise<void> | void;

/** What has an `after` hook: a test's context (`t`), or what `suiteScope` gives. */
export interface Scope {
  after(cleanUp: CleanUp): void;
}

const cleanUps = new WeakMap<Scope, CleanUp[]>();

/**
 * Has `cleanUp` run when the scope ends, before what was registered earlier, whatever the others
 * throw.
 */
export function atEnd(scope: Scope, cleanUp: CleanUp): void {
  const known = cleanUps.get(scope);
  if (known !== undefined) {
    known.push(cleanUp);
    return;
  }
  const stack = [cleanUp];
  cleanUps.set(scope, stack);
  scope.after(() => runAll(stack));
}

/** The scope of the suite or file being defined: call it there, not inside a test. */
export function suiteScope(): Scope {
  const stack: CleanUp[] = [];
  after(() => runAll(stack));
  const scope = {
    after: (cleanUp: CleanUp): void => {
      stack.push(cleanUp);
    },
  };
  cleanUps.set(scope, stack);
  return scope;
}

/** A scope outside of any test, for the demo and the benchmark: it ends when it is told to. */
export function closableScope(): Scope & { close(): Promise<void> } {
  const stack: CleanUp[] = [];
  const scope = {
    after: (cleanUp: CleanUp): void => {
      stack.push(cleanUp);
    },
    close: () => runAll(stack),
  };
  cleanUps.set(scope, stack);
  return scope;
}

async function runAll(stack: CleanUp[]): Promise<void> {
  const errors: unknown[] = [];
  for (let cleanUp = stack.pop(); cleanUp !== undefined; cleanUp = stack.pop()) {
    try {
      await cleanUp();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) {
    throw new AggregateError(errors, errors.map(String).join('; '));
  }
}
