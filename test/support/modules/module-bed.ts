// What the matrix of PKCS#11 modules needs to know of a module that is set up, whichever it is.
// Types and namespaces of its own for modules with fixed paths. Used by test processes only.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordSecret } from '../transcript.js';

export interface ModuleBed {
  /** What `module-name=` is. */
  readonly moduleName: string;
  /** Path attributes of the URI that name the token. */
  readonly token: string;
  /** What a process needs to reach it. */
  readonly env: Readonly<Record<string, string>>;
  /** File with the PIN, mode 0600. */
  readonly pinFile: string;
  /** The command line that runs a program where the module works; the same without namespaces. */
  inside(command: string, args: readonly string[]): { command: string; args: readonly string[] };
  /** Brings the token back to what it was before a process that did not clean up. */
  flush?(): Promise<void>;
}

/** For modules that need nothing but their environment. */
export function plainly(
  command: string,
  args: readonly string[],
): { command: string; args: readonly string[] } {
  return { command, args };
}

/** Writes a PIN where `pin-source` can find it. */
export function writePin(folder: string, pin: string): string {
  recordSecret(pin);
  const pinFile = join(folder, 'pin');
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  return pinFile;
}
