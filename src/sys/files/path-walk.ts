// Walks a path step by step as the kernel takes it, so that each directory and symbolic link on the
// way can be checked. Any process. Nothing is opened.

import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { AppError } from '../../lib/errors.js';
import { userName } from '../user.js';
import { pathTrouble } from './path-trouble.js';

/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Looks at each step of a path as the kernel takes it: a directory, or a symbolic link and then its
 * target.
 */
export function walk(path: string, check: (step: string, stats: Stats) => void): Stats {
  // Not resolve(): behind a symbolic link, `..` is the parent of the target.
  const ahead = (isAbsolute(path) ? path : `${process.cwd()}/${path}`).split('/');
  let at = '/';
  let current = lstatSync(at);
  let links = 0;
  check(at, current);
  while (ahead.length > 0) {
    const name = ahead.shift() ?? '';
    if (name === '' || name === '.') {
      continue;
    }
    const step = name === '..' ? dirname(at) : join(at, name);
    const stats = entryOf(step, path);
    check(step, stats);
    if (!stats.isSymbolicLink()) {
      at = step;
      current = stats;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) {
      throw unsafe(path, 'too many symbolic links');
    }
    const target = readlinkSync(step);
    if (isAbsolute(target)) {
      at = '/';
      current = lstatSync(at);
    }
    ahead.unshift(...target.split('/'));
  }
  return current;
}

function entryOf(step: string, path: string): Stats {
  try {
    return lstatSync(step);
  } catch (error) {
    throw pathTrouble(
      '',
      path,
      error,
      `correct the path, or make the folder: install -d -m 0700 -o ${userName()} ${path}`,
    );
  }
}

export function unsafe(path: string, problem: string, hint?: string): AppError {
  return new AppError('SYS_UNSAFE_PATH', `insecure permissions on ${path}: ${problem}`, { hint });
}
