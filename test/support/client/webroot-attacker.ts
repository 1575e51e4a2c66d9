// A program for tests: the owner of a web root who swaps its folders for symbolic links as fast as
// he can, until he is ended. Arguments: the web root, and the folder that he wants to have written
// to. Prints a dot for each hundred swaps.

import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const [root = '', outside = ''] = process.argv.slice(2);
const wellKnown = join(root, '.well-known');
const challenges = join(wellKnown, 'acme-challenge');

/** Does what can be done: any step may meet a folder that is away, or is root's. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // The next one may succeed.
  }
}

function swap(path: string, target: string): void {
  const aside = join(root, 'aside');
  attempt(() => {
    renameSync(path, aside);
  });
  attempt(() => {
    symlinkSync(target, path);
  });
  attempt(() => {
    readdirSync(path);
  });
  attempt(() => {
    unlinkSync(path);
  });
  attempt(() => {
    renameSync(aside, path);
  });
}

function swapAnswers(): void {
  for (const name of readdirSync(challenges)) {
    unlinkSync(join(challenges, name));
    symlinkSync(join(outside, 'acme-challenge', 'victim'), join(challenges, name));
  }
}

for (let round = 1; ; round += 1) {
  swap(wellKnown, outside);
  swap(challenges, join(outside, 'acme-challenge'));
  swap(root, outside);
  attempt(swapAnswers);
  if (round % 20 === 0) {
    attempt(() => {
      rmSync(wellKnown, { recursive: true });
    });
  }
  if (round % 20 === 10) {
    attempt(() => {
      mkdirSync(challenges, { recursive: true });
    });
  }
  if (round % 100 === 0) {
    writeSync(1, '.');
  }
}
