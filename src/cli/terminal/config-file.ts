// Reads a configuration file for both programs: of bounded size, and only one that no other user
// can write. Runs in clavigerd and claviger.

import { closeSync } from 'node:fs';
import { expandSpecifiers, type SpecifierValues } from '../../config/specifiers.js';
import { MAX_CONFIG_BYTES } from '../../config/toml-settings.js';
import { AppError, systemCodeOf } from '../../lib/errors.js';
import { pathTrouble } from '../../sys/files/path-trouble.js';
import { readAtMost } from '../../sys/files/bounded-file.js';
import { openUnwritableByOthers } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';

const NEWLINE = 0x0a;

interface ConfigFile {
  readonly path: string;
  /** Empty when the default file does not exist. */
  readonly text: string;
  readonly exists: boolean;
}

/**
 * Reads `named`, or the default file, which may be missing.
 * @throws AppError SYS_PATH when the file is missing though named, or closed to this user;
 *   CONFIG_FILE when it is too large; SYS_UNSAFE_PATH when others can write it; CONFIG_INVALID for
 *   a bad specifier.
 */
export function readConfigFile(
  named: string | undefined,
  defaultPath: string,
  specifiers: SpecifierValues,
): ConfigFile {
  const path = defaultOrNamed(named, defaultPath, specifiers);
  if (path === undefined) {
    return { path: defaultPath, text: '', exists: false };
  }
  try {
    return { path, text: readBounded(path), exists: true };
  } catch (error) {
    if (named === undefined && systemCodeOf(error) === 'ENOENT') {
      return { path, text: '', exists: false };
    }
    if (error instanceof AppError) {
      throw error;
    }
    throw pathTrouble('configuration file', path, error, 'correct --config, or write the file');
  }
}

/** Undefined for the default file of a user without a home, which is no error. */
function defaultOrNamed(
  named: string | undefined,
  defaultPath: string,
  specifiers: SpecifierValues,
): string | undefined {
  if (named !== undefined) {
    return expandSpecifiers(named, specifiers);
  }
  return specifiers.get('E') === undefined ? undefined : expandSpecifiers(defaultPath, specifiers);
}

function readBounded(path: string): string {
  const fd = openUnwritableByOthers(path, effectiveUserId());
  try {
    const bytes = readAtMost(fd, MAX_CONFIG_BYTES);
    if (bytes === undefined) {
      throw new AppError('CONFIG_FILE', `${path}: larger than ${MAX_CONFIG_BYTES} bytes`);
    }
    return textOf(path, bytes);
  } finally {
    closeSync(fd);
  }
}

/** TOML is UTF-8: bytes of another encoding would silently change a path, and are refused. */
function textOf(path: string, bytes: Buffer): string {
  const text = bytes.toString('utf8');
  const again = Buffer.from(text);
  if (!again.equals(bytes)) {
    const at = bytes.findIndex((byte, index) => byte !== again[index]);
    const line = bytes.subarray(0, at).filter((byte) => byte === NEWLINE).length + 1;
    throw new AppError('CONFIG_INVALID', `${path}:${line}: not UTF-8`, {
      hint: 'save the file in UTF-8; letters such as umlauts are written otherwise there than in Latin-1',
    });
  }
  return text;
}
